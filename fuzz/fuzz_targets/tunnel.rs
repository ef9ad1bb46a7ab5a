#![cfg_attr(fuzzing, no_main)]
#![doc = "See `tc_fuzz::tunnel`."]
tc_fuzz::target!(tc_fuzz::tunnel::run);
