package egress

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// answer tells a refusal (403) from a destination that cannot be reached (502),
// and neither where a name leads nor what the host's network looks like.
func answer(r *http.Request, host string, err error) *http.Response {
	status, text := http.StatusBadGateway, "Carrel's egress proxy could not connect to "+host+". The host may be down, or its name may not exist."
	switch {
	case errors.Is(err, errDeny) && host == "":
		status, text = http.StatusForbidden, "Carrel's egress proxy refuses this request: it takes CONNECT host:port and plain http:// URLs."
	case errors.Is(err, errDeny):
		status, text = http.StatusForbidden, "Carrel's egress proxy does not allow "+host+" on this port. An administrator can add it to the setting egress.allow."
	}
	text += "\n"
	return &http.Response{
		Request:    r,
		StatusCode: status,
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {"text/plain; charset=utf-8"},
			"Connection":   {"close"},
		},
		ContentLength: int64(len(text)),
		Body:          io.NopCloser(strings.NewReader(text)),
		Close:         true,
	}
}
