//! The relay: intercept between the netfilter queue and its tunnels.
