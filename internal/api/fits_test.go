package api

import (
	"context"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/session"
)

// What the routes call is what there is. The pool differs in Get alone, which
// gives an *Instance: cmd adapts it.
var (
	_ Accounts  = (*account.Service)(nil)
	_ AuditLog  = (*audit.Log)(nil)
	_ Sessions  = (*session.Service)(nil)
	_ Projects  = (*project.Service)(nil)
	_ Instances = adaptedPool{}
)

type adaptedPool struct{ *pool.Pool }

func (adaptedPool) Get(context.Context, int64) (pool.Stats, bool, error) {
	return pool.Stats{}, false, nil
}
