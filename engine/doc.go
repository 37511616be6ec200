// Package engine counts how many assets of a fleet have each port open: exactly,
// for any filter, from memory.
//
// # Basics
//
// [Open] an [Engine] and [Engine.Apply] a [Report] for every look that was taken
// at a host or container. Then ask: [Engine.Ports] counts the assets that have
// each port and type open and pages through the rows, [Engine.Hosts] lists the
// assets behind a row, [Engine.Asset] shows one and [Engine.Assets] all. [Engine.Groups] counts assets
// by the values of their labels, [Engine.Together] what is open together, [Engine.Findings]
// what is not as the policy expects, and [Engine.Coverage] what was looked at. A question is
// asked of a [View] or of any [HostSet]. [Engine.Snapshot] returns an immutable state for
// several questions whose answers must agree.
//
// Everything belongs to a project, the tenant; nothing is visible across
// projects. Within a project, hosts and containers are counted apart, and an
// asset is in exactly one enterprise project at a time; a [View] chooses which
// of them a question is asked of. A [Policy] gives each row its risk
// status; package policyfile reads one of a file.
//
// What a caller names must be there: an unknown project or asset is an error, and
// so is a word that is none; types and statuses are parsed by [ParseType] and
// [ParseStatus]. An enterprise project without assets is an empty view.
//
// A report says when it was [Report.Seen] and which keys it looked at, its
// [Scope]. A key is open when its newest evidence says so, so it does not matter
// in which order, how often or in how many pieces reports arrive.
//
// # Caveats
//
// The engine keeps everything in memory: some 9 bytes per open port of an asset
// that an agent reports whole, and what its time takes for a scanner that stamps every
// port with one of its own: 3 bytes for a second of some days, 6 for a microsecond of weeks.
//
// Readers never wait. Writers to one project and category wait for each other,
// and what a call of Apply costs besides its reports, copying what older
// snapshots share, is paid once per call: apply thousands of reports at a time.
//
// An asset remembers at most 64 looks with scopes that do not lie inside one
// another; then the two nearest in time become one at the older time.
package engine
