// Package script runs applications written in Starlark. It loads a file and the
// files that it loads, decides whether the application is a loop or has routes,
// and passes messages to its consumers.
//
// Each call of [Loader.Load] compiles and runs the file again and returns a
// generation: a loop or a routed application. Generations share no values. Start
// reading at load.go (how a file becomes a generation), run.go (the state of an
// interpreter thread) and routed.go (how a message reaches its consumer).
//
// Package lib contains the builtins that need no channel layer, package web
// requests and responses, package value the conversion of values, and package
// explain the explanations of errors.
package script
