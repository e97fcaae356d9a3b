package api

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// writeJSON answers a request that huma does not handle.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := jsonFormat.Marshal(w, v); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// answers describes the answers of a raw route: status, words, body, and so on; a nil body is none.
func (s *Server) answers(triples ...any) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	for ; len(triples) >= 3; triples = triples[3:] {
		res := &huma.Response{Description: triples[1].(string)}
		if v := triples[2]; v != nil {
			schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
			res.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
		}
		all[strconv.Itoa(triples[0].(int))] = res
	}
	return all
}
