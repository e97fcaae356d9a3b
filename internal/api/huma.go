package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/api/strictjson"
	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// huma keeps these as package variables and offers no other way. They are set
// once, before anything runs, and have one meaning in the whole program.
func init() {
	huma.DefaultArrayNullable = false // our lists are [] and never null
	huma.ValidateStrictCasing = true  // "Username" is not "username"
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return problem.Of(faultOfHuma(status, msg, errs), "")
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		q := requestOf(ctx.Context())
		q.err = faultOfHuma(status, msg, errs)
		p := q.problem(q.err)
		for k := range p.GetHeaders() { // huma sets those of errors that a route returns, not of its own
			ctx.SetHeader(k, p.GetHeaders().Get(k))
		}
		return p
	}
}

// faultOfHuma says in our words what huma found wrong. The values that it
// found are not shown: they may be passwords.
func faultOfHuma(status int, msg string, errs []error) error {
	switch status {
	case http.StatusRequestEntityTooLarge:
		var limit int64
		if n, _ := fmt.Sscanf(msg, "request body is too large limit=%d bytes", &limit); n == 1 {
			return fault.New(fault.TooLarge, "The body is larger than %s.", fault.Size(limit))
		}
		return fault.New(fault.TooLarge, "The body is too large: %s.", fault.Quote(msg))
	case http.StatusInternalServerError:
		err := fmt.Errorf("%s: %w", msg, errors.Join(errs...))
		if f := (*fault.Error)(nil); msg != "cannot read request body" || errors.As(err, &f) {
			return err
		}
	}
	var fields []fault.Field
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			fields = append(fields, fault.FieldAt(d.Location, "%s", d.Message))
		}
	}
	if len(fields) == 0 {
		return fault.New(fault.Invalid, "The request is not valid: %s.", fault.Quote(msg))
	}
	f := fault.New(fault.Invalid, "The request is not valid: %s: %s.", fields[0].Location, fields[0].Said())
	f.Fields = fields
	return f
}

var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		if events, ok := v.(EventList); ok {
			return writeEvents(w, events)
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: strictjson.Unmarshal,
}

func newHuma(mux humago.Mux, version string) huma.API {
	return humago.NewWithPrefix(mux, Base, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Carrel",
				Version: version,
				Description: "Everyone's own Claude Code, from one server. The page does all that it does through this contract. " +
					"What people read of an error (detail, and errors[].message) is in the language that Accept-Language prefers, en or zh-CN; without one it is English. Programs read code.",
			},
			Servers: []*huma.Server{{URL: Base}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"cookie": {Type: "apiKey", In: "cookie", Name: CookieName, Description: "Set by POST /auth/login; over https its name is __Host-carrel_session. What changes anything must also come from our own origin."},
					"token":  {Type: "http", Scheme: "bearer", BearerFormat: "carrel_…", Description: "An API token, made under POST /me/tokens."},
				},
			},
		},
		OpenAPIPath:   "",                                                                         // served by registerConfig, with the WebSocket's messages added
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}, // the second is for problem+json
		DefaultFormat: "application/json",
	})
}

// schemaNames are those of types whose own name says too little outside of their package.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[pool.Stats]():               "Instance",
	reflect.TypeFor[pool.Health]():              "InstanceHealth",
	reflect.TypeFor[runtime.Usage]():            "InstanceUsage",
	reflect.TypeFor[audit.Entry]():              "AuditEntry",
	reflect.TypeFor[fault.Field]():              "ProblemField",
	reflect.TypeFor[protocol.CommandResponse](): "CommandResult",
	reflect.TypeFor[socket.Hello]():             "ServerHello",
	reflect.TypeFor[socket.Pong]():              "ServerPong",
	reflect.TypeFor[socket.Event]():             "ServerEvent",
	reflect.TypeFor[socket.Ack]():               "ServerAck",
	reflect.TypeFor[socket.Error]():             "ServerError",
	reflect.TypeFor[socket.Notice]():            "ServerNotice",
}

// schemaName is a type's own name; that of a list of tokens is TokenList.
func schemaName(t reflect.Type, hint string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := schemaNames[t]; ok {
		return name
	}
	if items, ok := listItems(t); ok {
		return schemaName(items, hint) + "List"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// listItems gives what a List is of.
func listItems(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.Name(), "List[") {
		return nil, false
	}
	f, ok := t.FieldByName("Items")
	if !ok {
		return nil, false
	}
	return f.Type.Elem(), true
}
