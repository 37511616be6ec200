// Package alert tells receivers of what changes: rules say of which changes, and where they are told.
//
// # Basics
//
// A [File] has rules, receivers and silences, in YAML:
//
//	receivers:
//	  - name: siem
//	    type: webhook             # webhook, alertmanager or slack
//	    url: https://siem.example/hook
//	    secret_env: SIEM_SECRET   # the variable that has the signing secret, whsec_…
//	rules:
//	  - name: RDP outside of jump hosts
//	    ports: rdp                # a selector of package expr
//	    where: not label(role) = "jump"
//	    kinds: [opened, found]    # the default
//	    send: [siem]
//	silences:
//	  - name: patch night
//	    days: [sat]
//	    from: 22:00
//	    until: 04:00
//
// [Start] follows what changes in an [engine.Engine]. Each rule has a cursor for each of its receivers, which a
// [Keeper] keeps: a receiver that is away holds up nobody, and is told later what happened in the meantime.
//
// # Delivery
//
// It is at least once, and of an inventory in the order of its changes. What is told again, as after a crash, has the same
// id. What a receiver does not take is sent again, ever less often, until it is older than give_up; what it
// refuses as wrong (400, 413, 415, 422) until it was refused five times. Then it is given up, which is logged and counted;
// [Alerts.Resend] sends it again. Redirects are failures, not followed.
//
// A rule with every tells of all changes of that time in one digest: how many there were, and the first of them. So does
// any rule of a batch with more than burst changes, with all that come in the minute after it: the first load of a fleet is no flood.
// What is not kept any more when it is to be told is said to be lost, with a notice of its own; of a project that is
// removed nothing more is told.
//
// Whether a rule means a change is found out when it is told: its set of assets and its statuses are those of then.
package alert
