#![cfg_attr(fuzzing, no_main)]
#![doc = "See `tc_fuzz::packet`."]
tc_fuzz::target!(tc_fuzz::packet::run);
