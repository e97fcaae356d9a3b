package words

// tables are the Chinese texts, each table by where its English is written. A
// test says what to add here when there is a new text, and what to remove.
var tables = []map[string]string{accountZH, apiZH, pushZH, sessionZH, instanceZH, insideZH}
