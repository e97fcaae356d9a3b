package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Warm is one line of the timetable by which instances are started ahead.
type Warm struct {
	At       string        // as cron writes it: minute, hour, day, month, day of the week
	Users    []string      // their login names
	Ahead    time.Duration // how long before
	Schedule cron.Schedule // of At
}

const (
	defaultAhead = 10 * time.Minute
	longestAhead = 12 * time.Hour
)

var errWarm = errors.New("must be times with users and how long ahead, like: 0 9 * * 1-5 / ana bob / 10m")

// parseWarm reads "at / users / ahead", separated by semicolons.
func parseWarm(text string) ([]Warm, error) {
	var list []Warm
	for entry := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		// A time may have slashes of its own (*/5), but none with a space on both sides.
		parts := strings.Split(entry, " / ")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, errWarm
		}
		w := Warm{At: strings.Join(strings.Fields(parts[0]), " "), Users: strings.Fields(parts[1]), Ahead: defaultAhead}
		if len(w.Users) == 0 {
			return nil, errWarm
		}
		if len(parts) == 3 {
			var err error
			if w.Ahead, err = parseDuration(strings.TrimSpace(parts[2])); err != nil || w.Ahead > longestAhead {
				return nil, fmt.Errorf("must have a time ahead like 10m, at most %s", showDuration(longestAhead))
			}
		}
		var err error
		if w.Schedule, err = cron.ParseStandard(w.At); err != nil {
			return nil, errors.New("must have times as cron writes them, like 0 9 * * 1-5 (at nine, from Monday to Friday)")
		}
		list = append(list, w)
	}
	return list, nil
}

func showWarm(list []Warm) string {
	texts := make([]string, 0, len(list))
	for _, w := range list {
		texts = append(texts, w.At+" / "+strings.Join(w.Users, " ")+" / "+showDuration(w.Ahead))
	}
	return strings.Join(texts, "; ")
}

// warmText brings a list in YAML, of maps or of texts, to the one form that is then read.
func warmText(raw []any) (string, error) {
	texts := make([]string, 0, len(raw))
	for _, item := range raw {
		switch item := item.(type) {
		case string:
			texts = append(texts, item)
		case map[string]any:
			at, _ := item["at"].(string)
			users, ok := item["users"].([]any)
			if at == "" || !ok {
				return "", errors.New("must have at (a text in quotes) and users (a list) in each entry")
			}
			names := make([]string, 0, len(users))
			for _, u := range users {
				name, ok := u.(string)
				if !ok || strings.ContainsAny(name, " ;/") {
					return "", errors.New("must have a list of login names in users")
				}
				names = append(names, name)
			}
			text := at + " / " + strings.Join(names, " ")
			for key, value := range item {
				switch key {
				case "at", "users":
				case "ahead":
					text += " / " + fmt.Sprint(value)
				default:
					return "", errors.New("must have at, users and ahead in each entry, and nothing else")
				}
			}
			texts = append(texts, text)
		default:
			return "", errWarm
		}
	}
	return strings.Join(texts, ";"), nil
}
