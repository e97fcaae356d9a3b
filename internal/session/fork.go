package session

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/uptrace/bun"
)

var forkNumber = regexp.MustCompile(`^(.*) \(([1-9][0-9]{0,5})\)$`)

// bareTitle is a title without the number that a fork's has.
func bareTitle(title string) string {
	if m := forkNumber.FindStringSubmatch(title); m != nil {
		return m[1]
	}
	return title
}

// forkTitle is the title of a fork of src: that one's with the next number of
// its kind in the project, "Title (2)". What has no title yet gives none.
func forkTitle(ctx context.Context, db bun.IDB, src *row) (string, error) {
	if src.Title == "" {
		return "", nil
	}
	bare := cut(bareTitle(src.Title), maxTitleRunes-len(" (999999)"))
	var titles []string
	err := db.NewSelect().Table("sessions").Column("title").
		Where("user_id = ? AND project = ? AND NOT deleting", src.UserID, src.Project).
		Where("substr(title, 1, length(?)) = ?", bare+" (", bare+" (").Scan(ctx, &titles)
	if err != nil {
		return "", fmt.Errorf("read the titles of a project: %w", err)
	}
	last := 1
	for _, t := range titles {
		if m := forkNumber.FindStringSubmatch(t); m != nil && m[1] == bare {
			n, _ := strconv.Atoi(m[2])
			last = max(last, n)
		}
	}
	return fmt.Sprintf("%s (%d)", bare, last+1), nil
}
