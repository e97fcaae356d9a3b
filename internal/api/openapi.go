package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/pool"
)

// OpenAPI gives the contract as OpenAPI 3.1, without anything behind it.
func OpenAPI(version string) ([]byte, error) {
	s := &Server{deps: Deps{Version: version}.withDefaults(), mux: http.NewServeMux()}
	s.api = newHuma(s.mux, version)
	s.register()
	if err := s.document(); err != nil {
		return nil, err
	}
	return s.openapi, nil
}

// document finishes the description of the contract and keeps it as JSON.
func (s *Server) document() error {
	schemas := s.api.OpenAPI().Components.Schemas
	// What goes over the WebSockets is no operation's, but clients want its types.
	var server []*huma.Schema
	for _, t := range []reflect.Type{
		reflect.TypeFor[socket.Hello](), reflect.TypeFor[socket.Pong](), reflect.TypeFor[socket.Event](), reflect.TypeFor[socket.Ack](),
		reflect.TypeFor[socket.Error](), reflect.TypeFor[socket.Notice](),
	} {
		server = append(server, schemas.Schema(t, true, ""))
	}
	schemas.Map()["ServerMessage"] = &huma.Schema{OneOf: server, Description: "A text message from the server on /ws."}
	for _, t := range []reflect.Type{
		reflect.TypeFor[socket.ClientMessage](), reflect.TypeFor[socket.TerminalControl](),
		reflect.TypeFor[socket.TerminalAttached](), reflect.TypeFor[socket.TerminalSize](), reflect.TypeFor[socket.TerminalExit](),
	} {
		schemas.Schema(t, true, "")
	}
	instance := schemas.Schema(reflect.TypeFor[pool.Stats](), true, "")
	schemas.Map()["ServerNotice"].Properties["instance"] = instance
	describeSchemas(schemas.Map())
	for _, item := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Head, item.Put, item.Post, item.Patch, item.Delete} {
			if op != nil && op.Responses["default"] == nil {
				op.Responses["default"] = &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{
					problem.ContentType: {Schema: schemas.Schema(reflect.TypeFor[problem.Problem](), true, "")},
				}}
			}
		}
	}
	doc, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return fmt.Errorf("write OpenAPI document: %w", err)
	}
	s.openapi = append(doc, '\n')
	return nil
}
