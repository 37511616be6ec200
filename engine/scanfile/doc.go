// Package scanfile reads the output of scanners and inventory agents as a
// stream of reports.
//
// # Basics
//
// A [Source] is one input with a name. Its format is found by content, never by
// its name; [Formats] lists the formats that are known. [Read] is the stream of
// one source's reports. [Load] takes any number of sources to a [Sink] and
// returns a [Summary] of what became of them.
//
// A bad record is a value in the stream (a [*RecordError] with the file and the
// line), never its end. An input that ends early, or whose markup breaks, gives
// everything that is whole and is marked incomplete; the summary says how much
// behind the damage was passed over. What is whole and rightly not counted, such
// as a port that is open|filtered, is left out; what is wrong is rejected, with its
// line and value. An input that has records and gives none is an error.
//
// # Portolan NDJSON
//
// The format "ndjson", also what clients send over HTTP, is one JSON object per
// line. The smallest line is
//
//	{"asset":"h1","open":["123/udp"]}
//
// and these are all fields:
//
//	asset                  string, required: the id, taken literally
//	open                   array of "PORT/TYPE", required, may be []: the keys found open
//	name, address          strings that describe the asset
//	category               "host" or "container"
//	project_id             string, must be the project the lines are read for
//	enterprise_project_id  string
//	seen                   RFC 3339 string, or Unix seconds as a number with fractions
//	                       down to microseconds, of the years 1970 to 9999
//	scope                  "all", "none", or an array such as ["1-1024/tcp","53/udp"]
//
// A type is one of tcp, tcp6, udp, udp6, sctp, sctp6; "tcp" is TCP over IPv4
// alone. What a line says beats [Options], which beat the defaults. A line is
// rejected for an unknown or repeated field, a value of another JSON type, a
// null, anything after the object, or text that is not UTF-8. Blank lines, a
// carriage return before the newline and a byte order mark are passed over. The
// last line needs no newline if it is a whole object; else it was cut, nothing
// of it is used and the input is incomplete. [AppendNDJSON] writes such lines.
//
// # Nmap XML
//
// The format "nmap-xml" is what nmap writes with -oX. A whole host element is a
// whole look, whatever happens to the file after it: open opens; closed,
// filtered and closed|filtered close; open|filtered and unfiltered say nothing
// and leave the scope. The scope is what the scaninfo elements list, of the
// family of the host's address; where a document does not list it, and where
// extraports hide ports of which nothing is known, it is the ports that the host
// element lists. A host that is cut gives its whole ports and closes nothing.
// Behind broken markup reading goes on at the next host element; where what was
// passed over may have said what was looked at, hosts behind it close only ports
// that they list.
// The asset is the first IP address in canonical text.
//
// # Other formats of scanners
//
// All other formats list ports that were found, and do not tell what was looked at, so
// their reports only add; with [Options].Scope every asset gets one closing report at the
// end of a whole input, at the earliest time of its records. "nmap-normal" lists closed
// ports, too, and a whole host closes those; what -v has shown of a host whose list did not
// come counts, and only adds. A scope that is given counts instead of what any format says,
// but for NDJSON, where a line's own is nearer.
//
//	nmap-grepable, nmap-normal          -oG; -oN and the terminal
//	masscan-xml, -json, -ndjson         -oX, -oJ, -oD, the dialects of old versions included
//	masscan-list, -grepable, -binary    -oL, -oG, -oB
//	masscan-terminal                    the terminal
//	naabu-json, naabu-csv, naabu        -json in its three shapes, -csv, lines of host:port
//	rustscan                            greppable, and the terminal
//	zmap-csv, zmap-json                 with the columns saddr and sport
//	zgrab2, shodan                      JSON lines
//
// Only what is open counts; closed ports, banners, protocols without ports and what is
// open|filtered are left out, by reason. That is only what is whole and known: a protocol, a
// state or a field that no such tool writes is refused. JSON objects may be one a line,
// elements of a list, or written over several lines; lines of a log between them are left
// out, those that hold members of an object are refused. An object with members that a
// relative of the tool writes, such as httpx, tlsx or nuclei, is none of naabu's. Times
// without a zone are taken as UTC.
//
// # Inventories of hosts
//
// "ss", "netstat" (of Linux, busybox, BSD, macOS and Windows), "proc-net" (/proc/net/tcp,
// tcp6, udp, udp6), "ansible" (listen_ports_facts) and "osquery" (listening_ports, as logs of
// events, batches or snapshots, or the rows of a query) are what hosts show of themselves.
// Those that name no host need [Options].AssetID. What they looked at is told by their form,
// not by the rows that they happen to have:
//
//	ss        with the column Netid TCP and UDP, without it what its rows are of
//	netstat   each protocol that has a row, unless the title is without servers
//	proc-net  the file's own type, which its header tells
//	ansible   each list that is there, if it is empty
//	osquery   TCP and UDP; events without their beginning, the ports that they mention
//
// of both families but for proc-net. Where the form does not tell, or ports are names, they
// close nothing, and a warning says so. A record that is refused, or a cut, takes the scope
// with it, as its port may be the one that would be closed.
//
// What listens counts. Connected sockets, UNIX sockets, what listens on loopback only
// (unless [Options].IncludeLoopback) and UDP sockets on ports that clients are given (from
// 49152 on, RFC 6335) are left out; the latter may be a server's, and leave the scope. A socket of all addresses of IPv6 is TCP6 or UDP6; ss
// shows some as * without their family, which are taken for TCP or UDP.
//
// # Streams
//
// Inputs may be compressed with gzip, zstd, bzip2 or xz. One whose compression is cut or
// damaged is incomplete, and what was whole of it counts.
//
// An input may hold several formats: where a record is none of the one that is read, and
// another one begins there, that one is read on. [Options].Format keeps to one.
//
// What an asset of a scanner is called, [Options].Asset says. Several addresses may then be
// one asset: what was looked at on all of them is closed at the end of a whole input.
//
// # Caveats
//
//   - An input without runstats and end tag is incomplete; so is an empty one.
//   - Inputs of JSON objects and NDJSON are read in parts, as many at a time as
//     [Options].Workers says; what is given is the same, in the same order.
//   - The last line of an input that has no end may be cut, and is used only where what is
//     whole of it shows.
//   - Reading needs memory for one record, at most [Options].MaxRecord, except
//     that closing reports need an entry per asset of the input.
//   - Strict reads every input twice.
//   - External entities and stylesheets are never fetched, and a document that
//     declares entities is refused.
package scanfile
