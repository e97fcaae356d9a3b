package api

import (
	"encoding/json"
	"strings"
	"testing"
)

// contract is the table of api.md.
const contract = `
GET /healthz GET /readyz GET /metrics POST /setup POST /auth/login POST /auth/logout POST /auth/register
GET /me PATCH /me GET /me/tokens POST /me/tokens DELETE /me/tokens/{id} GET /me/sign-ins DELETE /me/sign-ins DELETE /me/sign-ins/{id}
GET /me/push POST /me/push PATCH /me/push DELETE /me/push/{id} POST /me/push/test
GET /users POST /users GET /users/{id} PATCH /users/{id} DELETE /users/{id} PUT /users/{id}/quota
GET /instance PUT /instance DELETE /instance
GET /instance/history GET /instances/history GET /instances/{user_id}/history GET /server GET /server/history
GET /instances GET /instances/{user_id} DELETE /instances/{user_id} POST /instances/{user_id}/restart
GET /projects POST /projects GET /projects/{name} PATCH /projects/{name} DELETE /projects/{name}
GET /sessions POST /sessions GET /sessions/{id} PATCH /sessions/{id} DELETE /sessions/{id}
GET /sessions/{id}/events POST /sessions/{id}/prompts DELETE /sessions/{id}/prompts/{prompt_id} POST /sessions/{id}/interrupt POST /sessions/{id}/answers
POST /sessions/{id}/fork POST /sessions/{id}/stop POST /sessions/{id}/rewind GET /sessions/{id}/tasks/{task_id}/output
GET /files DELETE /files GET /files/content PUT /files/content POST /files/folder POST /files/move
POST /commands POST /terminals GET /terminals/{id} PATCH /terminals/{id} DELETE /terminals/{id} GET /snapshots POST /snapshots POST /snapshots/{id}/restore DELETE /snapshots/{id} GET /ws
GET /terminals GET /config GET /openapi.json GET /invitations POST /invitations DELETE /invitations/{id} GET /audit
GET /sessions/{id}/export GET /search GET /files/search GET /files/grep GET /files/archive POST /files/trash
GET /files/trash POST /files/trash/restore
POST /files/uploads HEAD /files/uploads/{id} PATCH /files/uploads/{id} DELETE /files/uploads/{id}`

type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string                     `json:"operationId"`
		Summary     string                     `json:"summary"`
		Security    []map[string][]string      `json:"security"`
		Responses   map[string]json.RawMessage `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func TestOpenAPI(t *testing.T) {
	raw, err := OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("got OpenAPI %s; want 3.1", doc.OpenAPI)
	}
	words, known := strings.Fields(contract), map[string]bool{}
	for i := 0; i < len(words); i += 2 {
		method, path := words[i], words[i+1]
		known[method+" "+path] = true
		if _, ok := doc.Paths[path][strings.ToLower(method)]; !ok {
			t.Errorf("%s %s is in the contract and not in the document", method, path)
		}
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			at := strings.ToUpper(method) + " " + path
			if !known[at] {
				t.Errorf("%s is in the document and not in the contract", at)
			}
			if op.Summary == "" || op.OperationID == "" || ids[op.OperationID] || op.Security == nil {
				t.Errorf("%s has no summary, no id of its own, or no security", at)
			}
			if _, ok := op.Responses["default"]; !ok {
				t.Errorf("%s does not say what an error looks like", at)
			}
			ids[op.OperationID] = true
		}
	}
	for name, schema := range doc.Components.Schemas {
		for field, p := range schema.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description: add it to its tag or to docs.go", name, field)
			}
		}
	}
	for name, fields := range docs {
		for field := range fields {
			if _, ok := doc.Components.Schemas[name].Properties[field]; !ok {
				t.Errorf("docs.go describes %s.%s, which is not there", name, field)
			}
		}
	}
	for _, ref := range strings.Split(string(raw), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("a reference leads to %s, which is not there", name)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	r := newRig(t)
	p := r.do(call{method: "GET", path: "/openapi.json"})
	raw, err := OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if p.status != 200 || p.body != string(raw) {
		t.Fatalf("got %d and %d bytes; want the same document that the command prints", p.status, len(p.body))
	}
}
