package claude

import "hash/maphash"

// Node is what of a row says where it stands in its conversation: little, for a transcript has a great many.
type Node struct {
	Kind   Kind
	aside  bool     // a subagent's
	id     [16]byte //
	parent [16]byte // zero: none
	answer uint64   // of an answer: which message it is a block of
}

var messages = maphash.MakeSeed()

// Node is the row's place; not ok for a row that has none.
func (r Row) Node() (Node, bool) {
	id, ok := parseUUID(r.UUID)
	if !ok {
		return Node{}, false
	}
	n := Node{Kind: r.Kind(), aside: r.Sidechain, id: id}
	parent := r.Parent
	if parent == "" {
		parent = r.Logical
	}
	if p, ok := parseUUID(parent); ok {
		n.parent = p
	}
	if n.Kind == RowAnswer {
		n.answer = maphash.String(messages, r.said.ID)
	}
	return n, true
}

// Thread says which nodes, in the order of the file, belong to the conversation that the CLI takes up from it: those
// from the first to the last one that was written, without what was gone back from. What was before a compaction
// belongs to it as well: people see more than the model is sent.
func Thread(nodes []Node) []bool {
	in := make([]bool, len(nodes))
	at := make(map[[16]byte]int, len(nodes))
	last := -1
	for i, n := range nodes {
		if _, twice := at[n.id]; twice || n.aside {
			continue
		}
		at[n.id] = i
		if n.Kind != RowSilent {
			last = i
		}
	}
	answers := map[uint64]bool{}
	for i := last; i >= 0 && !in[i]; {
		in[i] = true
		if nodes[i].Kind == RowAnswer {
			answers[nodes[i].answer] = true
		}
		switch parent, known := at[nodes[i].parent]; {
		case known:
			i = parent
		case nodes[i].parent == [16]byte{}:
			i = -1
		default: // its row is damaged, or too long to be read: the one before will do
			for i--; i >= 0 && (nodes[i].aside || at[nodes[i].id] != i); i-- {
			}
		}
	}
	// Calls that were made at the same time hang beside each other, and their results below them.
	for i, n := range nodes {
		if n.Kind == RowAnswer && answers[n.answer] && at[n.id] == i && !n.aside {
			in[i] = true
		}
	}
	for i, n := range nodes {
		if n.Kind == RowResults && at[n.id] == i && !n.aside {
			if p, ok := at[n.parent]; ok && in[p] && nodes[p].Kind == RowAnswer {
				in[i] = true
			}
		}
	}
	return in
}
