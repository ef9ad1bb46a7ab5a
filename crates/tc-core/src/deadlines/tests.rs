//! The heap against a sorted set.

use super::Deadlines;
use crate::testing::start;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What may be done, with few keys and moments, so that they meet.
#[derive(Clone, Copy, Debug)]
enum Step {
    Set(usize, u64),
    SetIfEarlier(usize, u64),
    Stop(usize),
    Pop,
    PopDue(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (key, moment) = (0_usize..40, 0_u64..20);
    prop_oneof![
        4 => (key.clone(), moment.clone()).prop_map(|(key, at)| Step::Set(key, at)),
        2 => (key.clone(), moment.clone()).prop_map(|(key, at)| Step::SetIfEarlier(key, at)),
        2 => key.prop_map(Step::Stop),
        1 => Just(Step::Pop),
        1 => moment.prop_map(Step::PopDue),
    ]
}

/// The same as a map that is searched.
#[derive(Default)]
struct Model(BTreeMap<usize, Instant>);

impl Model {
    fn first(&self) -> Option<(Instant, usize)> {
        self.0.iter().map(|(key, at)| (*at, *key)).min()
    }

    fn pop(&mut self) -> Option<(Instant, usize)> {
        let first = self.first()?;
        self.0.remove(&first.1);
        Some(first)
    }
}

proptest! {
    #[test]
    fn it_gives_what_a_sorted_map_gives(steps in proptest::collection::vec(step(), 0..200)) {
        let start = start();
        let at = |moment| start + Duration::from_secs(moment);
        let (mut deadlines, mut model) = (Deadlines::new(), Model::default());
        for step in steps {
            match step {
                Step::Set(key, moment) => {
                    deadlines.set(key, at(moment), key);
                    model.0.insert(key, at(moment));
                }
                Step::SetIfEarlier(key, moment) => {
                    deadlines.set_if_earlier(key, at(moment), key);
                    model.0.entry(key).and_modify(|set| *set = at(moment).min(*set)).or_insert(at(moment));
                }
                Step::Stop(key) => {
                    deadlines.stop(key);
                    model.0.remove(&key);
                }
                Step::Pop => prop_assert_eq!(deadlines.pop(), model.pop()),
                Step::PopDue(moment) => {
                    let due = model.first().filter(|first| first.0 <= at(moment)).and_then(|_| model.pop());
                    prop_assert_eq!(deadlines.pop_due(at(moment)), due.map(|(_, key)| key));
                }
            }
            prop_assert_eq!(deadlines.next(), model.first());
        }
        while let Some(first) = model.pop() {
            prop_assert_eq!(deadlines.pop(), Some(first));
        }
        prop_assert_eq!(deadlines.pop(), None);
    }
}

#[test]
fn a_deadline_that_is_put_off_is_not_reached_before() {
    let start = start();
    let later = start + Duration::from_secs(1);
    let mut deadlines = Deadlines::new();
    deadlines.set(3, start, 'a');
    deadlines.set_if_earlier(3, later, 'b');
    assert_eq!(deadlines.next(), Some((start, 'a')));
    deadlines.set(3, later, 'c');
    assert_eq!(deadlines.pop_due(start), None);
    assert_eq!(deadlines.next(), Some((later, 'c')));
    assert_eq!(deadlines.pop_due(later), Some(3));
}
