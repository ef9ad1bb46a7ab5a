//! Hash tables over the elements of a slab, whose keys others choose.

use crate::deadlines::narrow;
use hashbrown::HashTable;
use std::hash::Hash;
use std::marker::PhantomData;

/// Finds elements of a slab by a key that each of them contains. Nothing but their places is kept here: five octets for
/// each, and the load of the table.
///
/// Who asks says by `key_at` which key the element at a place has. What leaves the slab leaves the index first. The hash is
/// keyed anew in each process: nobody outside can make keys collide.
#[derive(Debug)]
pub(crate) struct Index<K> {
    places: HashTable<u32>,
    hasher: ahash::RandomState,
    keys: PhantomData<K>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { places: HashTable::new(), hasher: ahash::RandomState::new(), keys: PhantomData }
    }
}

impl<K: Copy + Eq + Hash> Index<K> {
    /// An index with room for so many elements.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { places: HashTable::with_capacity(capacity), ..Self::default() }
    }

    /// The place of the element with this key.
    pub(crate) fn find(&self, key: &K, key_at: impl Fn(usize) -> Option<K>) -> Option<usize> {
        let is_wanted = |place: &u32| key_at(*place as usize).as_ref() == Some(key);
        self.places.find(self.hasher.hash_one(key), is_wanted).map(|place| *place as usize)
    }

    /// Notes the place of an element whose key is not known yet.
    pub(crate) fn insert(&mut self, key: &K, place: usize, key_at: impl Fn(usize) -> Option<K>) {
        let Self { places, hasher, .. } = self;
        let hash_at = |place: &u32| key_at(*place as usize).map_or(0, |key| hasher.hash_one(key));
        places.insert_unique(hasher.hash_one(key), narrow(place), hash_at);
    }

    /// Forgets the element at this place, whose key this is, if it was noted.
    pub(crate) fn remove(&mut self, key: &K, place: usize) {
        let place = narrow(place);
        if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(key), |known| *known == place) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use proptest::prelude::*;
    use slab::Slab;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn an_index_finds_what_a_map_finds(steps in proptest::collection::vec((any::<bool>(), 0_u16..50), 1..400)) {
            let mut slab = Slab::new();
            let mut index = Index::default();
            let mut model = HashMap::new();
            for (adds, key) in steps {
                let key_at = |slab: &Slab<u16>, place| slab.get(place).copied();
                match (adds, model.get(&key).copied()) {
                    (true, None) => {
                        let place = slab.insert(key);
                        index.insert(&key, place, |place| key_at(&slab, place));
                        model.insert(key, place);
                    }
                    (false, Some(place)) => {
                        index.remove(&key, place);
                        slab.remove(place);
                        model.remove(&key);
                    }
                    (true, Some(_)) | (false, None) => {}
                }
                for key in 0..50 {
                    let found = index.find(&key, |place| key_at(&slab, place));
                    prop_assert_eq!(found, model.get(&key).copied());
                }
            }
        }
    }
}
