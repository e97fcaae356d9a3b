package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// apiError is an answer of the gateway's own in the shape of the Messages API.
type apiError struct {
	status     int
	kind       string // the API's error type
	message    string // read by people: what happened, why, what to do
	retry      bool   // x-should-retry
	retryAfter time.Duration
}

func (e *apiError) write(w http.ResponseWriter) {
	type inner struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(struct {
		Type  string `json:"type"`
		Error inner  `json:"error"`
	}{"error", inner{e.kind, e.message}})
	if err != nil {
		panic(err) // two strings always encode
	}
	h := w.Header()
	clear(h)
	h.Set("Content-Type", "application/json")
	h.Set("X-Should-Retry", strconv.FormatBool(e.retry))
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.retryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // a client that left does not read it
}

var (
	errNoSuchPath = &apiError{status: http.StatusNotFound, kind: "not_found_error",
		message: "Carrel's gateway does not offer this part of the API. It offers /v1/messages, /v1/messages/count_tokens and /v1/models."}
	errNoUpstream = &apiError{status: http.StatusUnauthorized, kind: "authentication_error",
		message: "Carrel has no API key and no model to ask. An administrator can set gateway.api_key."}
	errTooMany = &apiError{status: http.StatusTooManyRequests, kind: "rate_limit_error", retry: true, retryAfter: 2 * time.Second,
		message: "Too many requests to the model at one time from your instance. Carrel's gateway takes a limited number; the rest try again by themselves."}
	errTooLarge = &apiError{status: http.StatusRequestEntityTooLarge, kind: "request_too_large",
		message: "The request is larger than 64 MiB, which is the most that Carrel's gateway passes on. Start a new session, or attach less."}
	errSlowBody = &apiError{status: http.StatusRequestTimeout, kind: "timeout_error", retry: true,
		message: "The request did not arrive in time at Carrel's gateway."}
	errEncoding = &apiError{status: http.StatusBadGateway, kind: "api_error", retry: true,
		message: "The model's API answered in an encoding that Carrel's gateway did not ask for and cannot read."}
	errRedirect = &apiError{status: http.StatusBadGateway, kind: "api_error",
		message: "The model's API answered with a redirect, which Carrel's gateway does not follow. An administrator should check gateway.base_url."}
	errUntrusted = &apiError{status: http.StatusBadGateway, kind: "api_error",
		message: "Carrel's gateway does not trust the certificate of the model's API. An administrator should check gateway.base_url and the host's certificates."}
	errStaleLimits = &apiError{status: http.StatusServiceUnavailable, kind: "api_error", retry: true, retryAfter: 5 * time.Second,
		message: "Carrel's gateway does not know your token budget, because the server has not told it for a while. It tries again by itself; if it lasts, tell an administrator."}
)

func errUnreachable(what string, kind int) *apiError {
	return &apiError{status: kind, kind: "api_error", retry: true,
		message: "Carrel's gateway could not reach the model's API: " + what + ". It is not your prompt; try again in a moment, and tell an administrator if it lasts."}
}
