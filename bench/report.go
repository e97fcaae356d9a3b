package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is the table.
type report struct {
	Machine string    `json:"machine"`
	At      time.Time `json:"at"`
	Rows    []row     `json:"rows"`
	Notes   []string  `json:"notes,omitempty"` // what must be known to read the rows
}

// row is one comparison. Beside says what Other is of; a row without it stands alone.
type row struct {
	Part   string   `json:"part"`
	Name   string   `json:"name"`
	Unit   unit     `json:"unit"`
	Carrel *sample  `json:"carrel"`
	Beside string   `json:"beside,omitempty"`
	Other  *sample  `json:"other,omitempty"`
	Ratio  *float64 `json:"ratio,omitempty"` // Carrel's median by the other's
}

func (r *report) add(part, name string, u unit, carrel *series, beside string, other *series) {
	one := row{Part: part, Name: name, Unit: u, Carrel: carrel.sample(), Beside: beside, Other: other.sample()}
	if one.Other == nil {
		one.Beside = "" // not measured here: nothing stands beside it
	}
	if one.Carrel != nil && one.Other != nil && one.Other.Median > 0 {
		ratio := one.Carrel.Median / one.Other.Median
		one.Ratio = &ratio
	}
	r.Rows = append(r.Rows, one)
}

// one tells a single number.
func (r *report) one(part, name string, u unit, v float64) {
	r.add(part, name, u, &series{[]float64{v}}, "", nil)
}

func (r *report) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n%s · medians (least–most; of %d or more: and p99)\n\n", r.Machine, r.At.Format(time.DateTime), manyEnough)
	part := ""
	for _, one := range r.Rows {
		if one.Part != part {
			part = one.Part
			fmt.Fprintf(t, "%s\tCarrel\tbeside\t\tratio\n", strings.ToUpper(part))
		}
		ratio := ""
		if one.Ratio != nil {
			ratio = fmt.Sprintf("%.2f", *one.Ratio)
		}
		other := ""
		if one.Beside != "" {
			other = one.Other.text(one.Unit)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", one.Name, one.Carrel.text(one.Unit), one.Beside, other, ratio)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\n* %s\n", n)
	}
	return nil
}

// machine is the machine in a line: what ratios depend on less than times do.
func machine(claude string) string {
	field := func(file, key string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			return "?"
		}
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
				return strings.TrimSpace(value)
			}
		}
		return "?"
	}
	var kb float64
	_, _ = fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f kB", &kb) // 0 says that it is not known
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")              // "" says enough
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d × %s · %.1f GB memory · Linux %s · load %.14s · %s",
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), kb/1e6,
		strings.TrimSpace(string(kernel)), load, claude)
}
