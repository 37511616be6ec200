// Package expr is the language that questions are written in: texts become what package engine
// asks with, or an error that points at the character at fault and says what was expected.
//
// A selector of ports is what [ParsePorts] reads:
//
//	22,80,8000-8999,!8080         ports and ranges, of every type; ! takes out
//	-1024, 60000-, *              open ranges, every port
//	53/udp, 1-1024/tcp*           of a type; tcp* is TCP and TCP6
//	/udp                          every port of a type
//	https, rdp, rdp/tcp           services, as IANA registers them or people call them
//	match=44, prefix=80, suffix=0 ports whose decimal text has the digits
//	type=udp, status=danger       of a type, of a status
//	1-1024,8080 and status=danger in both lists
//
// The items of a list add up, in any order: a key is in it if one item has it, or none of them
// adds any, and no item with ! has it. Of lists joined by "and", a key is in each. Words may be in any letter case.
package expr
