package sessions

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"slices"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/journal"
)

// Bounds of what pieces keeps. What is beyond them stays in the journal.
const (
	maxSpans     = 64 << 10
	maxWriters   = 64
	maxBlocks    = 1024
	maxSignature = 64 << 10
)

// pieces finds the deltas that say nothing which the journal does not have a second time: those of a block whose
// letters an assistant line of the same message repeats, each one, and those of a tool call that an assistant line has
// in full. It trusts the text, not the order of lines: what was cut short and never repeated, by a second
// message_start, an interrupt or a death, is not among them.
//
// It is given the events of finished turns in order.
type pieces struct {
	writing map[string]*writing // by the tool call that they are a subagent of
	gone    []span
	spans   int // in all that is kept
	limit   int // of spans
	sorted  bool
}

// writing is a message that is being written.
type writing struct {
	id     string
	blocks map[int]*block
}

type block struct {
	kind, id  string
	odd       bool // something of it we cannot compare
	size      int
	sum       hash.Hash
	signature string
	deltas    []span
}

// span is a row of events, by number.
type span struct{ first, last int64 }

func newPieces() *pieces { return &pieces{writing: map[string]*writing{}, limit: maxSpans} }

// take takes in one event.
func (p *pieces) take(e journal.Event) {
	line := claude.Line{Raw: e.Data, Type: "stream_event"}
	if !bytes.HasPrefix(e.Data, tokens) {
		var err error
		if line, err = claude.Parse(e.Data); err != nil {
			return
		}
	}
	if piece, ok := line.Piece(); ok {
		p.takePiece(e.Seq, piece)
	} else if m, ok := line.Message(); ok {
		p.takeMessage(m)
	}
}

func (p *pieces) takePiece(seq int64, piece claude.Piece) {
	w := p.writing[piece.Parent]
	switch piece.Type {
	case "message_start":
		p.forget(w)
		if w != nil || len(p.writing) < maxWriters {
			p.writing[piece.Parent] = &writing{id: piece.Message, blocks: map[int]*block{}}
		}
	case "content_block_start":
		if w != nil && len(w.blocks) < maxBlocks {
			p.drop(w.blocks[piece.Index])
			w.blocks[piece.Index] = &block{kind: piece.Block.Type, id: piece.Block.ID, sum: sha256.New()}
		}
	case "content_block_delta":
		if w != nil && w.blocks[piece.Index] != nil {
			p.takeDelta(seq, w.blocks[piece.Index], piece.Delta)
		}
	}
}

func (p *pieces) takeDelta(seq int64, b *block, d claude.Delta) {
	switch kind := b.kind + " " + d.Type; kind {
	case "text text_delta", "thinking thinking_delta":
		n, _ := b.sum.Write([]byte(d.Text + d.Thinking)) // each has one of them; a hash takes all
		b.size += n
	case "thinking signature_delta":
		b.signature += d.Signature
		b.odd = b.odd || len(b.signature) > maxSignature
	case "tool_use input_json_delta", "server_tool_use input_json_delta", "mcp_tool_use input_json_delta":
	default:
		b.odd = true
	}
	if n := len(b.deltas); n > 0 && b.deltas[n-1].last == seq-1 {
		b.deltas[n-1].last = seq
	} else if p.spans < p.limit {
		p.spans++
		b.deltas = append(b.deltas, span{seq, seq})
	}
	// A delta for which there is no room is not dropped; those of its block that are can still be told from the line.
}

func (p *pieces) takeMessage(m claude.Message) {
	w := p.writing[m.Parent]
	if w == nil || w.id != m.ID || m.ID == "" {
		return
	}
	for _, said := range m.Blocks {
		for index, b := range w.blocks {
			if len(b.deltas) > 0 && b.repeated(said, m.Aborted) {
				p.gone = append(p.gone, b.deltas...)
				p.sorted = false
				delete(w.blocks, index)
				break
			}
		}
	}
}

// repeated says whether a block of an assistant line has all that was streamed of this one.
func (b *block) repeated(said claude.Block, aborted bool) bool {
	if b.odd || b.kind != said.Type {
		return false
	}
	text := said.Text
	switch b.kind {
	case "text":
	case "thinking":
		if text = said.Thinking; b.signature != "" && b.signature != said.Signature {
			return false
		}
	default:
		return b.id != "" && b.id == said.ID && !aborted
	}
	if len(text) < b.size {
		return false
	}
	sum := sha256.Sum256([]byte(text[:b.size]))
	return bytes.Equal(sum[:], b.sum.Sum(nil))
}

// forget gives up a message that is not written any more.
func (p *pieces) forget(w *writing) {
	if w != nil {
		for _, b := range w.blocks {
			p.drop(b)
		}
	}
}

func (p *pieces) drop(b *block) {
	if b != nil {
		p.spans -= len(b.deltas)
	}
}

// has says whether an event may go.
func (p *pieces) has(seq int64) bool {
	if !p.sorted {
		slices.SortFunc(p.gone, func(a, b span) int { return int(a.first - b.first) })
		p.sorted = true
	}
	_, found := slices.BinarySearchFunc(p.gone, seq, func(s span, seq int64) int {
		switch {
		case s.last < seq:
			return -1
		case s.first > seq:
			return 1
		}
		return 0
	})
	return found
}
