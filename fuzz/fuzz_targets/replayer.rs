#![cfg_attr(fuzzing, no_main)]
#![doc = "See `tc_fuzz::replayer`."]
tc_fuzz::target!(tc_fuzz::replayer::run);
