package api

import "encoding/json"

// Kinds of errors.
const (
	ErrorOfHandler = "handler" // a handler failed
	ErrorOfLoad    = "load"    // the application did not load
	ErrorOfLog     = "log"     // a warning or another error of the log
)

// An Error is all failures with the same kind, place and text.
type Error struct {
	ID      string `json:"id"` // the same after a restart
	Kind    string `json:"kind"`
	Warning bool   `json:"warning,omitempty"`
	Place   string `json:"place,omitempty"` // file:line
	Text    string `json:"text"`

	Count      uint64  `json:"count"`
	First      float64 `json:"first"`
	Last       float64 `json:"last"`
	Since      uint64  `json:"since"`      // generation of the first failure
	Generation uint64  `json:"generation"` // of the last failure
	Now        bool    `json:"now"`        // the current generation has it
	Trace      string  `json:"trace,omitempty"`
	Channel    string  `json:"channel,omitempty"`
	Handler    string  `json:"handler,omitempty"` // name and place of the consumer
	Worker     string  `json:"worker,omitempty"`  // process that reported it, if it is another one
}

// A FullError is an error with the newest failure that was stored in full.
type FullError struct {
	Error
	Parts    []ErrorPart     `json:"parts"`
	Detail   string          `json:"detail,omitempty"`  // the record of the log
	At       float64         `json:"at"`                // of the stored failure
	Cause    string          `json:"cause,omitempty"`   // its trace
	Content  json.RawMessage `json:"message,omitempty"` // that it handled, in the JSON of the layer over HTTP
	TooLong  bool            `json:"tooLong,omitempty"` // the message was not stored
	Failures []Failure       `json:"failures"`          // the newest first
}

// An ErrorPart is one of the errors that were found at the same time.
type ErrorPart struct {
	Text    string       `json:"text"`
	Hint    string       `json:"hint,omitempty"`
	Frames  []ErrorFrame `json:"frames,omitempty"`  // the innermost call last
	Omitted int          `json:"omitted,omitempty"` // frames left out in the middle
}

// An ErrorFrame is a call on the stack.
type ErrorFrame struct {
	File   string       `json:"file"`
	Line   int          `json:"line"` // 0 if unknown
	Col    int          `json:"col"`  // 0 if unknown
	Func   string       `json:"func,omitempty"`
	Source []SourceLine `json:"source,omitempty"`
	Locals []Local      `json:"locals,omitempty"`
	Editor string       `json:"editor,omitempty"` // URL that opens the place in an editor
}

// A SourceLine is one line of a file.
type SourceLine struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// A Local is a variable and its value, which may be cut.
type Local struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Failure is one occurrence of an error.
type Failure struct {
	At         float64 `json:"at"`
	Generation uint64  `json:"generation"`
	Trace      string  `json:"trace,omitempty"`
}

// Errors lists errors, the newest first.
type Errors struct {
	Errors  []Error `json:"errors"`
	Dropped uint64  `json:"dropped"` // errors that the list has no room for
}

// A RemoteError is the report of a worker in another process: an error, or that a
// generation is live.
type RemoteError struct {
	Error
	Live    uint64          `json:"live,omitempty"` // number of the generation; then there is no error
	Parts   []ErrorPart     `json:"parts,omitempty"`
	Detail  string          `json:"detail,omitempty"`
	Content json.RawMessage `json:"message,omitempty"`
	TooLong bool            `json:"tooLong,omitempty"` // the message is too long to be reported
}

// PageSchemes are the schemes of URLs that a browser opens itself, so that no URL
// of an editor may have them.
var PageSchemes = []string{"about", "blob", "data", "file", "ftp", "http", "https", "javascript", "vbscript", "ws", "wss"}

// ErrorCounts counts the errors of a running server.
type ErrorCounts struct {
	Now      int `json:"now"`      // of the current generation, without warnings
	Warnings int `json:"warnings"` // of the current generation
	Past     int `json:"past"`     // of earlier generations, without warnings

	Load string `json:"load,omitempty"` // id of the error of the last load
}
