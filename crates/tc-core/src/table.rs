//! Hash tables whose keys others choose.

/// A hash table with a fast hash that is keyed anew in each process: nobody outside can make its keys collide.
pub(crate) type Table<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;
