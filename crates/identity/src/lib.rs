//! Credential to caller: which trusted issuer vouches for a request, and for whom.
