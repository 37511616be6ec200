package alert

import (
	"encoding/json"
	"strconv"
	"strings"
)

// slackLines is how many changes a message has at most.
const slackLines = 20

// slackText leaves the characters that mean something to Slack
// (https://docs.slack.dev/messaging/formatting-message-text).
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackMessage is notices as one message.
func slackMessage(list []*notice) (message, error) {
	var b strings.Builder
	title := "*" + slackText.Replace(list[0].rule.Name) + "*"
	if project := list[0].of.Project; project != "" {
		title += " in " + slackText.Replace(project)
	}
	b.WriteString(title)
	for _, n := range list {
		b.WriteString("\n" + slackText.Replace(n.summary()))
		if n.digest == nil {
			continue
		}
		for i := range n.digest.first {
			if i == slackLines {
				break
			}
			b.WriteString("\n• " + slackText.Replace(lineOf(&n.digest.first[i])))
		}
		if more := n.digest.total - min(len(n.digest.first), slackLines); more > 0 {
			b.WriteString("\n… and " + strconv.Itoa(more) + " more")
		}
	}
	body, err := json.Marshal(map[string]string{"text": b.String()})
	return message{id: list[0].id, media: "application/json", body: body}, err
}
