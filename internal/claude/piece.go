package claude

// Piece is a part of a message that is being written: the raw event of the Messages API.
type Piece struct {
	Type    string // message_start, content_block_start, content_block_delta, …
	Parent  string // the tool call whose subagent writes; "" in the main thread
	Message string // id, of message_start
	Index   int    // of the block
	Block   Block  // of content_block_start: its type and id
	Delta   Delta  // of content_block_delta
}

// Delta is what a piece adds to a block.
type Delta struct {
	Type      string `json:"type"`
	Text      string `json:"text"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

// Piece reads a stream_event.
func (l Line) Piece() (Piece, bool) {
	if !l.Tokens() {
		return Piece{}, false
	}
	p := decode[struct {
		Parent string `json:"parent_tool_use_id"`
		Event  struct {
			Type    string `json:"type"`
			Index   int    `json:"index"`
			Message struct {
				ID string `json:"id"`
			} `json:"message"`
			Block Block `json:"content_block"`
			Delta Delta `json:"delta"`
		} `json:"event"`
	}](l)
	e := p.Event
	return Piece{Type: e.Type, Parent: p.Parent, Message: e.Message.ID, Index: e.Index, Block: e.Block, Delta: e.Delta}, true
}

// Message is an assistant line: one or more finished blocks of a message, or what there was of one when it was cut short.
type Message struct {
	ID      string
	Parent  string
	Aborted bool
	Blocks  []Block
}

// Message reads an assistant line.
func (l Line) Message() (Message, bool) {
	if l.Type != "assistant" {
		return Message{}, false
	}
	m := decode[struct {
		Parent  string `json:"parent_tool_use_id"`
		Aborted bool   `json:"aborted"`
		Message struct {
			ID      string  `json:"id"`
			Content []Block `json:"content"`
		} `json:"message"`
	}](l)
	return Message{ID: m.Message.ID, Parent: m.Parent, Aborted: m.Aborted, Blocks: m.Message.Content}, true
}
