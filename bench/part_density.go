package main

import (
	"context"
	"fmt"
	"os"
)

const densityPeople = 4

// rhythms of users, for how many of them fit in a machine. Live: a Claude process each that is kept.
// Warm: an instance without. All others are hibernated.
var rhythms = []struct {
	name       string
	live, warm float64
}{
	{"all work at the same time", 1, 0},
	{"one in three works, the others came today", 1.0 / 3, 2.0 / 3},
	{"one in ten works, two in ten came today", 0.1, 0.2},
}

// density: what one more user costs in memory, in each state that they can be in.
func density(ctx context.Context, b *bench) error {
	if err := b.needs(ctx, b.realCrowd()); err != nil {
		return err
	}
	server := b.carrel.cmd.Process.Pid
	gateway, err := role(b.carrel.dir, "gateway")
	if err != nil {
		return err
	}
	keeper, err := role(b.carrel.dir, "keeper")
	if err != nil {
		return err
	}
	c := &crowd{b: b}
	shared := func() (int64, error) {
		if err := pause(ctx, settle); err != nil {
			return 0, err
		}
		total := int64(0)
		for _, pid := range []int{server, gateway, keeper} {
			n, err := pss(pid)
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}
	if err := c.people(ctx, 1); err != nil { // the first one costs what is made once
		return err
	}
	if err := c.open(ctx, 1); err != nil {
		return err
	}
	if err := c.hibernate(ctx); err != nil {
		return err
	}
	none, err := shared()
	if err != nil {
		return err
	}
	if err := c.people(ctx, 1+densityPeople); err != nil {
		return err
	}
	c.members = c.members[1:] // those that follow are alike
	empty, err := b.instancesMemory(c)
	if err != nil {
		return err
	}
	beside, err := shared()
	if err != nil {
		return err
	}
	if err := c.open(ctx, densityPeople); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	full, err := b.instancesMemory(c)
	if err != nil {
		return err
	}
	live, err := shared()
	if err != nil {
		return err
	}
	if err := c.hibernate(ctx); err != nil {
		return err
	}
	left := 0
	for _, m := range c.members {
		left += len(processesOf(m.instance))
	}
	after, err := shared()
	if err != nil {
		return err
	}
	const n = densityPeople
	const part = "memory of one more user"
	b.report.one(part, "hibernated: processes left", counted, float64(left))
	b.report.one(part, "  in server, gateway and keeper (signed in once, garbage included)", inBytes, float64(max(0, after-none))/n)
	b.report.one(part, "instance without a session", inBytes, float64(empty)/n)
	b.report.one(part, "  and in server, gateway and keeper", inBytes, float64(max(0, beside-none))/n)
	b.report.one(part, "instance with an idle session", inBytes, float64(full)/n)
	b.report.one(part, "  and in server, gateway and keeper", inBytes, float64(max(0, live-none))/n)
	warmOne, liveOne := float64(empty+max(0, beside-none))/n, float64(full+max(0, live-none))/n
	memory, err := memTotal()
	if err != nil {
		return err
	}
	room := float64(memory)*usable - float64(none)
	for _, r := range rhythms {
		b.report.one("users that fit in the memory here", r.name, counted, fits(room, r.live, r.warm, liveOne, warmOne))
	}
	b.report.note("users that fit: (%.0f %% of %.1f GB − %.0f MB of server, gateway and keeper) ÷ (live × %.0f MB + warm × %.0f MB), where live and warm are the shares of users with a kept Claude "+
		"process and with an instance alone; the others take none", usable*100, float64(memory)/1e9, float64(none)/1e6, liveOne/1e6, warmOne/1e6)
	return nil
}

// usable is the share of the machine's memory that is given to instances: the rest is the kernel's, the page cache's
// and what Claude processes need in a turn beyond what they need at rest.
const usable = 0.8

// fits is how many users there is room for.
func fits(room, live, warm, liveOne, warmOne float64) float64 {
	one := live*liveOne + warm*warmOne
	if one <= 0 || room <= 0 {
		return 0
	}
	return float64(int(room / one))
}

// hibernate ends everybody's instance.
func (c *crowd) hibernate(ctx context.Context) error {
	for _, m := range c.members {
		if err := m.do(ctx, 204, "DELETE", "/instance", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func memTotal() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read the machine's memory: %w", err)
	}
	var kb int64
	if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kb); err != nil {
		return 0, fmt.Errorf("read the machine's memory: %w", err)
	}
	return kb << 10, nil
}
