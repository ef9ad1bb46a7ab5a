#![cfg_attr(fuzzing, no_main)]
#![doc = "See `tc_fuzz::relay`."]
tc_fuzz::target!(tc_fuzz::relay::run);
