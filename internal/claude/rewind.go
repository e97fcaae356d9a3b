package claude

import "encoding/json"

// Rewound is the answer to RewindFiles.
type Rewound struct {
	Can        bool     `json:"canRewind"`
	Why        string   `json:"error"` // when it cannot
	Files      []string `json:"filesChanged"`
	Insertions int      `json:"insertions"`
	Deletions  int      `json:"deletions"`
}

// Rewound reads the answer to RewindFiles; what was refused cannot be done.
func (a Answer) Rewound() Rewound {
	if a.Refused() {
		return Rewound{Why: a.Error}
	}
	var r Rewound
	_ = json.Unmarshal(a.Response, &r) // what cannot be read cannot be done
	return r
}
