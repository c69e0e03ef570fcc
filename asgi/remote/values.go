package remote

import (
	"fmt"
	"strconv"

	"asgibox/asgi"
)

// CheckValues makes the values of an answer those that a message may hold. A text that is
// not UTF-8, for example of an error, is quoted.
func CheckValues(fields asgi.Fields) {
	for i, f := range fields {
		v, err := asgi.Converter(nil).OwnValue(f.Value)
		if err != nil {
			v = strconv.Quote(fmt.Sprint(f.Value))
		}
		fields[i].Value = v
	}
}
