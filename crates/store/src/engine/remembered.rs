//! What a query found out of resources, so that it need not find it out again.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::limits::JUDGED_REMEMBERED_MAX;

/// What was found out of resources by their ids, for each of several questions by its number.
pub(crate) struct Remembered<T> {
    answers: RefCell<Answers<T>>,
}

struct Answers<T> {
    by_question: HashMap<usize, HashMap<Box<str>, T>>,
    count: usize,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { answers: RefCell::new(Answers { by_question: HashMap::new(), count: 0 }) }
    }
}

impl<T: Clone> Remembered<T> {
    /// What was found out, if it was.
    pub(crate) fn recall(&self, question: usize, id: &str) -> Option<T> {
        self.answers.borrow().by_question.get(&question)?.get(id).cloned()
    }

    /// Keeps what was found out. When it is too much, all of it is forgotten first.
    pub(crate) fn remember(&self, question: usize, id: &str, answer: T) {
        let mut answers = self.answers.borrow_mut();
        if answers.count >= JUDGED_REMEMBERED_MAX {
            answers.by_question.clear();
            answers.count = 0;
        }
        answers.count += 1;
        answers.by_question.entry(question).or_default().insert(id.into(), answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_remembered() {
        let remembered = Remembered::default();
        for number in 0..JUDGED_REMEMBERED_MAX * 2 + 5 {
            remembered.remember(number % 3, &number.to_string(), number);
            let kept = &remembered.answers.borrow().by_question;
            if number % 1_000 == 0 || number > JUDGED_REMEMBERED_MAX * 2 {
                let count: usize = kept.values().map(HashMap::len).sum();
                assert!((1..=JUDGED_REMEMBERED_MAX).contains(&count), "{count}");
            }
        }
        let last = JUDGED_REMEMBERED_MAX * 2 + 4;
        assert_eq!(remembered.recall(last % 3, &last.to_string()), Some(last));
        assert_eq!(remembered.recall((last + 1) % 3, &last.to_string()), None);
        assert_eq!(remembered.recall(0, "0"), None);
    }
}
