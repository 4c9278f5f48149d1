//! The kernel's tables, and which of our words goes first.

use super::{advertised, global_ipv6, local_ipv4};
use crate::config::Config;

#[test]
fn own_addresses_are_found_in_the_kernel_s_table() {
    let table =
        "Main:\n  +-- 10.0.0.0/24 2 0 2\n     |-- 10.0.0.0\n        /24 link UNICAST\n     \
                 |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        \
                 /32 host LOCAL\n";
    let found: Vec<String> = local_ipv4(table).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.7"]);
    let table = "fe800000000000000000000000000001 02 40 20 80 eth0\n\
                 20010db8000000000000000000000005 02 40 00 80 eth0\n";
    let found: Vec<String> = global_ipv6(table).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["2001:db8::5"]);
}

#[test]
fn what_is_configured_goes_first_then_what_is_listened_on() {
    let any = "0.0.0.0:7".parse().unwrap();
    let mut config = Config::default();
    assert_eq!(advertised(&config, "10.1.1.1:7".parse().unwrap()), ["10.1.1.1:7"]);
    let found = advertised(&config, any);
    assert!(!found.is_empty() && found.len() <= 4 && found.iter().all(|a| a.ends_with(":7")));
    config.advertise = vec!["web1.example:9".to_owned()];
    assert_eq!(advertised(&config, any), ["web1.example:9"]);
}
