// Package sdktest has no code: its tests run the vendor's Go SDK, unmodified, against our
// server. It is a module of its own so that nobody who uses Portolan downloads the SDK.
package sdktest
