// Package logkey names the attributes of log records, so that every package
// uses the same key for the same thing.
package logkey

const (
	App        = "app"        // path of the application's file
	At         = "at"         // file:line of the application's code
	Channel    = "channel"    // channel name
	Client     = "client"     // address of the other end of a socket
	Control    = "control"    // address of the control server
	Error      = "error"      // an error value
	File       = "file"       // path of a file
	Folder     = "folder"     // path of a folder
	Generation = "generation" // number of a generation
	Inspector  = "inspector"  // URL of the inspector that shows the error
	Path       = "path"       // path of a request
	Problem    = "problem"    // what is wrong with a message
	Trace      = "trace"      // trace id
	Worker     = "worker"     // number of a worker process
)
