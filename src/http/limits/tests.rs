use futures::FutureExt as _;

use super::{shared::tests::FakeLeases, *};

fn address(last: u8) -> Option<ClientNet> {
    Some(ClientNet::of([192, 0, 2, last].into()))
}

fn limits(change: impl FnOnce(&mut LimitSettings)) -> Arc<Limits> {
    let mut settings = LimitSettings::default();
    change(&mut settings);
    Limits::new(settings)
}

/// What a new stream takes.
fn connect(limits: &Limits, address: Option<ClientNet>, subject: Option<(&str, &str)>) -> Result<Place, Limited> {
    limits.arrive(address)?;
    limits.begin(subject)?;
    let mut place = limits.hold(address, subject)?;
    limits.share(&mut place, subject).now_or_never().expect("nobody is waited for")?;
    Ok(place)
}

fn refused(outcome: Result<Place, Limited>) -> Limit {
    outcome.expect_err("refused").by
}

#[test]
fn what_is_held_is_counted_by_address_and_by_subject_of_a_tenant_and_given_back() {
    let limits = limits(|settings| (settings.connections_per_address, settings.connections_per_subject) = (2, 1));
    let first = connect(&limits, address(1), Some(("a", "alice"))).expect("room");
    assert_eq!(refused(connect(&limits, address(1), Some(("a", "alice")))), Limit::SubjectConnections);
    let other_tenant = connect(&limits, address(1), Some(("b", "alice"))).expect("another alice");
    assert_eq!(refused(connect(&limits, address(1), None)), Limit::AddressConnections);
    assert!(connect(&limits, address(2), None).is_ok() && connect(&limits, None, None).is_ok());
    drop(first);
    assert!(connect(&limits, address(1), Some(("a", "alice"))).is_ok());
    drop(other_tenant);
    // also what a later limit of the same connection refused
    assert_eq!(limits.held(), (0, 0));
}

#[test]
fn new_connections_have_a_rate_and_say_when_to_come_back() {
    let limits = limits(|settings| (settings.new_per_address, settings.new_per_subject) = (3, 2));
    for _ in 0..2 {
        connect(&limits, address(1), Some(("a", "alice"))).expect("within the rate");
    }
    let limited = connect(&limits, address(1), Some(("a", "alice"))).expect_err("beyond it");
    assert_eq!(limited.by, Limit::SubjectRate);
    assert!((1..=31).contains(&limited.retry_after.as_secs()), "{limited:?}");
    assert_eq!(refused(connect(&limits, address(1), None)), Limit::AddressRate);
    assert!(connect(&limits, address(2), Some(("a", "bob"))).is_ok());
    let counted: Vec<_> = limits.refusals().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(Limit::AddressRate, 1), (Limit::SubjectRate, 1)]);
}

#[test]
fn a_refused_batch_takes_nothing_and_the_largest_request_always_fits_once() {
    let limits = limits(|settings| settings.publish_per_second = 10);
    assert_eq!(limits.publish(("t", "key:a"), 1000, None, 1000), Ok(()));
    assert_eq!(limits.publish(("t", "key:a"), 1, None, 1000).expect_err("spent").by, Limit::PublishRate);
    assert_eq!(limits.publish(("t", "key:b"), 1, None, 1000), Ok(()));
    // no text of a tenant and an owner is that of two others
    assert_eq!(limits.publish(("t/key", ":a"), 1, None, 1000), Ok(()));
    // a tenant's own rate, and none at all
    assert_eq!(limits.publish(("t", "key:a"), 1000, Some(5000), 1000), Ok(()));
    assert_eq!(limits.publish(("t", "key:a"), 100_000, Some(0), 1000), Ok(()));
}

#[test]
fn an_address_with_too_many_bad_credentials_is_not_heard_for_a_while() {
    let limits = limits(|settings| settings.refused_per_address = 2);
    for _ in 0..2 {
        limits.refused_credential(address(1));
        assert_eq!(limits.hear(address(1)), Ok(()));
    }
    limits.refused_credential(address(1));
    assert_eq!(limits.hear(address(1)).expect_err("enough").by, Limit::RefusedCredentials);
    assert_eq!(limits.hear(address(2)), Ok(()));
    assert_eq!(limits.hear(None), Ok(()));
}

#[test]
fn zero_is_no_limit_and_quiet_keys_are_forgotten() {
    let limits = limits(|_| {});
    let places: Vec<_> = (0..100).map(|_| connect(&limits, address(1), Some(("a", "alice"))).expect("no limit")).collect();
    assert_eq!((places.len(), limits.held()), (100, (1, 1)));
    limits.publish(("t", "key:a"), 1, Some(u32::MAX), 1).expect("within");
    drop(places);
    limits.forget_quiet();
    assert_eq!(limits.held(), (0, 0));
}

/// Two instances with the same secret and leases, and the leases.
fn two_instances(most: u32) -> ([Arc<Limits>; 2], Arc<FakeLeases>) {
    let leases = Arc::<FakeLeases>::default();
    let settings = LimitSettings { connections_per_subject: most, ..LimitSettings::default() };
    let instance = || Limits::sharing(settings, Some(SharedPlaces::new(leases.clone(), &[1; 32])));
    ([instance(), instance()], leases)
}

#[test]
fn what_a_subject_holds_counts_on_every_instance_and_is_given_back_to_all() {
    let ([one, two], leases) = two_instances(3);
    let alice = Some(("acme", "alice"));
    let held = [connect(&one, address(1), alice), connect(&two, address(1), alice), connect(&two, address(1), alice)];
    for limits in [&one, &two] {
        assert_eq!(refused(connect(limits, address(1), alice)), Limit::SubjectConnections);
        assert_eq!(limits.refusals().find(|(limit, _)| *limit == Limit::SubjectConnections), Some((Limit::SubjectConnections, 1)));
    }
    assert_eq!((one.held(), leases.held()), ((1, 1), 3), "what was refused is counted nowhere");
    let elsewhere = connect(&one, address(1), Some(("globex", "alice"))).expect("another alice");
    drop(held);
    assert_eq!((leases.held(), leases.keys().len()), (1, 2));
    drop(elsewhere);
    assert_eq!((one.held(), two.held(), leases.held()), ((0, 0), (0, 0), 0));
}

#[test]
fn while_nobody_can_be_asked_each_instance_counts_alone_and_what_it_took_is_told_later() {
    let ([one, two], leases) = two_instances(1);
    let alice = Some(("acme", "alice"));
    leases.away.store(true, Ordering::Relaxed);
    assert_eq!(one.are_shared(), Some(false));
    let held = [connect(&one, address(1), alice).expect("by its own count"), connect(&two, address(1), alice).expect("by its own count")];
    assert_eq!(refused(connect(&one, address(1), alice)), Limit::SubjectConnections);
    leases.away.store(false, Ordering::Relaxed);
    assert_eq!((one.are_shared(), leases.held()), (Some(true), 2), "both are counted");
    drop(held);
    assert_eq!(leases.held(), 0);
}

#[test]
fn without_a_limit_or_a_subject_nobody_is_asked() {
    let ([unlimited, _], leases) = two_instances(0);
    let _alice = connect(&unlimited, address(1), Some(("acme", "alice"))).expect("no limit");
    let ([limited, _], _) = two_instances(1);
    let _nobody = connect(&limited, address(1), None).expect("nobody");
    assert!(leases.keys().is_empty());
    assert_eq!(limits(|_| {}).are_shared(), None);
}

#[test]
fn an_answer_is_counted_here_and_asks_no_other_instance() {
    let ([one, _], leases) = two_instances(1);
    let alice = Some(("acme", "alice"));
    let held = one.hold(address(1), alice).expect("room");
    assert_eq!((leases.held(), refused(one.hold(address(1), alice))), (0, Limit::SubjectConnections));
    drop(held);
    assert_eq!(one.held(), (0, 0));
}
