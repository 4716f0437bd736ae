//! What is accepted, and what is refused with which words.
