package scriptedmodel

// usage is what a message costs, in the API's words. The numbers are made from
// sizes: four bytes a token, the conversation up to the last answer read from
// the cache, what came since written to it.
type usage struct {
	InputTokens              int           `json:"input_tokens"`
	CacheCreationInputTokens int           `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int           `json:"cache_read_input_tokens"`
	CacheCreation            cacheCreation `json:"cache_creation"`
	OutputTokens             int           `json:"output_tokens"`
	ServiceTier              string        `json:"service_tier"`
}

type cacheCreation struct {
	Ephemeral5m int `json:"ephemeral_5m_input_tokens"`
	Ephemeral1h int `json:"ephemeral_1h_input_tokens"`
}

// deltaUsage is what message_delta repeats at the end.
type deltaUsage struct {
	InputTokens              int `json:"input_tokens"`
	CacheCreationInputTokens int `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int `json:"cache_read_input_tokens"`
	OutputTokens             int `json:"output_tokens"`
}

const (
	bytesPerToken = 4
	// uncachedTokens is what always follows the last cache mark.
	uncachedTokens = 4
	// leastCached is the shortest prefix that the API caches.
	leastCached = 1024
)

func inputUsage(req *messagesRequest) usage {
	seen, fresh := 0, 0
	for _, b := range req.System {
		seen += b.size
	}
	for _, t := range req.Tools {
		seen += t.size
	}
	lastAnswer := -1
	for i, m := range req.Messages {
		if m.Role == "assistant" {
			lastAnswer = i
		}
	}
	for i, m := range req.Messages {
		for _, b := range m.Content {
			if i <= lastAnswer {
				seen += b.size
			} else {
				fresh += b.size
			}
		}
	}
	seen, fresh = tokensIn(seen), tokensIn(fresh)
	u := usage{InputTokens: max(1, seen+fresh), OutputTokens: 1, ServiceTier: "standard"}
	if seen+fresh < leastCached {
		return u
	}
	u.InputTokens = min(uncachedTokens, max(1, fresh))
	fresh -= u.InputTokens
	if lastAnswer < 0 { // the first request of a conversation fills the cache
		seen, fresh = 0, seen+fresh
	}
	u.CacheReadInputTokens, u.CacheCreationInputTokens = seen, max(0, fresh)
	u.CacheCreation.Ephemeral5m = u.CacheCreationInputTokens
	return u
}

func (u usage) delta() deltaUsage {
	return deltaUsage{u.InputTokens, u.CacheCreationInputTokens, u.CacheReadInputTokens, u.OutputTokens}
}

func (u usage) input() int {
	return u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens
}

func tokensIn(bytes int) int { return (bytes + bytesPerToken - 1) / bytesPerToken }
