#![cfg_attr(fuzzing, no_main)]
#![doc = "See `tc_fuzz::link`."]
tc_fuzz::target!(tc_fuzz::link::run);
