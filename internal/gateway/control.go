package gateway

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
)

// ControlSocket is the name of the server's socket in the run folder.
const ControlSocket = "gateway.sock"

// Procedures on the control socket.
const (
	procStatus    = "/carrel.gateway.v1.Gateway/Status"
	procRecords   = "/carrel.gateway.v1.Gateway/Records"
	procAck       = "/carrel.gateway.v1.Gateway/Ack"
	procSetLimits = "/carrel.gateway.v1.Gateway/SetLimits"
)

// Status says what the gateway is and does now.
type Status struct {
	Version     string   `json:"version"`
	Upstream    string   `json:"upstream"` // one of the Upstream constants
	HasKey      bool     `json:"has_key"`
	BaseURLHost string   `json:"base_url_host"` // "" for the scripted model
	EgressHosts []string `json:"egress_hosts"`
	Instances   []string `json:"instances"`
	Spool       string   `json:"spool"` // names the numbering of the records
}

// RecordsRequest asks for records after a number of a spool.
type RecordsRequest struct {
	Spool string `json:"spool"` // the one that After is of; of another, all records are given
	After int64  `json:"after"`
	Limit int    `json:"limit"`  // 0: 1000
	WaitS int    `json:"wait_s"` // how long to wait for one, at most 60
}

// RecordsResponse holds none when none came in time.
type RecordsResponse struct {
	Spool   string   `json:"spool"`
	Records []Record `json:"records"`
}

// AckRequest says that records up to Seq are safely stored.
type AckRequest struct {
	Spool string `json:"spool"`
	Seq   int64  `json:"seq"`
}

// SetLimitsRequest renews leases.
type SetLimitsRequest struct {
	Limits []Limit `json:"limits"`
}

// Nothing is an empty message.
type Nothing struct{}

func (g *gateway) control() http.Handler {
	mux := http.NewServeMux()
	rpc.Unary(mux, procStatus, false, func(context.Context, *Nothing) (*Status, error) {
		up := g.upstream.Load()
		return &Status{
			Version: g.version, Upstream: up.kind, HasKey: up.key.Set(), BaseURLHost: up.host(),
			EgressHosts: g.egress.Rules().Hosts(), Instances: g.instances.ids(), Spool: g.spool.id,
		}, nil
	})
	rpc.Unary(mux, procRecords, false, func(ctx context.Context, r *RecordsRequest) (*RecordsResponse, error) {
		if r.Spool != g.spool.id {
			r.After = 0
		}
		limit := r.Limit
		if limit <= 0 || limit > maxRecordsAsked {
			limit = maxRecordsAsked
		}
		wait := min(max(time.Duration(r.WaitS)*time.Second, 0), time.Minute)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(g.life, cancel)() // a gateway that stops does not wait for a record
		records, err := g.spool.read(ctx, r.After, limit, wait)
		if err != nil {
			return nil, err
		}
		return &RecordsResponse{Spool: g.spool.id, Records: records}, nil
	})
	rpc.Unary(mux, procAck, false, func(_ context.Context, r *AckRequest) (*Nothing, error) {
		if r.Spool != g.spool.id {
			return nil, fault.New(fault.Conflict, "The records are of another spool.")
		}
		return &Nothing{}, g.spool.ack(r.Seq)
	})
	rpc.Unary(mux, procSetLimits, false, func(_ context.Context, r *SetLimitsRequest) (*Nothing, error) {
		for _, l := range r.Limits {
			if l.UserID <= 0 {
				return nil, fault.InvalidField("limits.user_id", "user_id must be positive")
			}
		}
		return &Nothing{}, g.ledger.set(r.Limits)
	})
	return mux
}

// Client is the server's end of the control socket.
type Client struct{ caller *rpc.Caller }

// NewClient returns a client that dials as it needs, so that it outlives any
// number of gateways.
func NewClient(runDir string) *Client {
	path := filepath.Join(runDir, ControlSocket)
	return &Client{caller: rpc.NewCaller(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})}
}

// Close lets go of the connections.
func (c *Client) Close() { c.caller.Close() }

// Status asks what the gateway is and does now.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return rpc.Call[Nothing, Status](ctx, c.caller, procStatus, &Nothing{})
}

// Records gives records in order, waiting for the first.
func (c *Client) Records(ctx context.Context, r RecordsRequest) (*RecordsResponse, error) {
	return rpc.Call[RecordsRequest, RecordsResponse](ctx, c.caller, procRecords, &r)
}

// Ack lets the gateway forget records.
func (c *Client) Ack(ctx context.Context, spool string, seq int64) error {
	_, err := rpc.Call[AckRequest, Nothing](ctx, c.caller, procAck, &AckRequest{Spool: spool, Seq: seq})
	return err
}

// SetLimits renews leases.
func (c *Client) SetLimits(ctx context.Context, limits []Limit) error {
	_, err := rpc.Call[SetLimitsRequest, Nothing](ctx, c.caller, procSetLimits, &SetLimitsRequest{Limits: limits})
	return err
}
