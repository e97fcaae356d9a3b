package oci

import (
	"errors"
	"os"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
)

// TestHold reads a volume while its instance comes and goes: there is one mount
// of it, which goes when nobody needs it any more.
func TestHold(t *testing.T) {
	r := open(t)
	spec := runtimetest.Spec(1)
	ctx := t.Context()
	if _, _, err := r.Hold(ctx, spec.UserID); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("the volume of one who never began: %v", err)
	}
	h, err := r.Create(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Destroy(ctx, h.Spec.ID); err != nil {
		t.Fatal(err)
	}
	mounted := func(want bool, when string) {
		t.Helper()
		if _, err := mountSource(r.paths("", spec.UserID).volume); (err == nil) != want {
			t.Errorf("%s: mounted %v; want %v", when, err == nil, want)
		}
	}
	mounted(false, "without an instance")
	dir, release, err := r.Hold(ctx, spec.UserID)
	if err != nil {
		t.Fatal(err)
	}
	mounted(true, "while it is read")
	if _, err := os.ReadDir(dir + "/home"); err != nil {
		t.Error(err)
	}
	if _, err := r.Create(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if err := r.Destroy(ctx, spec.ID); err != nil {
		t.Fatal(err)
	}
	mounted(true, "after the instance's end")
	if _, err := r.Create(ctx, spec); err != nil {
		t.Fatal(err)
	}
	release()
	mounted(true, "while there is an instance")
	if err := r.Destroy(ctx, spec.ID); err != nil {
		t.Fatal(err)
	}
	mounted(false, "after the end of both")

	_, release, err = r.Hold(ctx, spec.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteVolume(ctx, spec.UserID); err != nil {
		t.Errorf("delete while it is read: %v", err)
	}
	release()
	mounted(false, "after it was deleted")
	if _, err := os.Lstat(r.paths("", spec.UserID).image); err == nil {
		t.Error("the image is there")
	}
}
