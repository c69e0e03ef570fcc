// Package script runs applications written in Starlark: it loads a file and
// what that loads, finds out whether it is a loop or has routes, and gives its
// consumers the messages.
//
// [Loader] is the noun: each [Loader.Load] compiles and runs the file anew and
// answers a generation, a loop or a routed one, which keeps nothing of those
// before it. Good places to begin reading are load.go (how a file becomes a
// generation), run.go (what a thread of the interpreter carries) and routed.go
// (how a message finds its consumer).
//
// What scripts can call that needs no channel layer is in package lib, requests
// and responses are in package web, the conversion of values in package value,
// and errors that teach in package explain.
package script
