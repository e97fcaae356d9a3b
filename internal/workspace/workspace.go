// Package workspace owns the layout of a person's file tree, and the one rule
// by which a path that somebody asked for becomes a path in it. What it opens,
// it opens through an os.Root; the tree's contents are the person's, and
// whoever reads them trusts none of it.
package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The folders and the file that every workspace begins with.
const (
	Projects = "projects" // one folder a project
	Temp     = "temp"     // what nobody will miss
	Uploads  = "uploads"  // what came from the person's own machine
	Readme   = "README.md"
)

// Folders are the workspace's own top folders. They are never removed or moved.
var folders = []string{Projects, Temp, Uploads}

// IsOwn says whether a resolved path is the workspace itself or one of its own folders.
func IsOwn(rel string) bool {
	if rel == "." {
		return true
	}
	for _, f := range folders {
		if rel == f {
			return true
		}
	}
	return false
}

// Ensure makes what a workspace lacks. What exists is left as it is, whatever it is: a README that its owner
// rewrote, a folder that became a link.
func Ensure(root *os.Root, name, language string) error {
	for _, f := range folders {
		if err := root.Mkdir(f, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make workspace folder %s: %w", f, err)
		}
	}
	if _, err := root.Lstat(Readme); err == nil {
		return nil
	}
	if err := WriteNew(root, Readme, readme(name, language)); err != nil {
		return fmt.Errorf("write workspace's %s: %w", Readme, err)
	}
	return nil
}

// WriteNew makes a file whole or not at all, and leaves one that is there already.
func WriteNew(root *os.Root, name, text string) error {
	temporary := "." + name + ".new"
	_ = root.Remove(temporary) // of one who was interrupted here
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = root.Remove(temporary) }() // gone already when it was renamed
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := root.Link(temporary, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func readme(name, language string) string {
	if strings.HasPrefix(strings.ToLower(language), "zh") {
		return strings.ReplaceAll(readmeChinese, "{name}", name)
	}
	return strings.ReplaceAll(readmeEnglish, "{name}", name)
}

const readmeEnglish = `# Welcome, {name}

This is your workspace. It is yours alone: nobody else on this server can see into it, and Claude works
in it with you.

- ` + "`projects/`" + ` holds your projects, one folder each. Every conversation with Claude belongs to one of them.
- ` + "`uploads/`" + ` is where files go that you send from your own computer or phone.
- ` + "`temp/`" + ` is for what you will not miss. Clean it up whenever you like.

Your files stay when your session ends. They count towards your storage quota, which the page shows.

You may change or delete this file; it is written only once.
`

const readmeChinese = `# 欢迎，{name}

这里是您的工作区。它只属于您：服务器上的其他人看不到其中的内容，Claude 会在这里与您一起工作。

- ` + "`projects/`" + ` 存放您的项目，每个项目一个文件夹。与 Claude 的每次对话都属于其中一个项目。
- ` + "`uploads/`" + ` 存放您从自己的电脑或手机上传的文件。
- ` + "`temp/`" + ` 存放临时文件，您可以随时清理。

会话结束后，文件仍会保留，并计入您的存储配额；页面上可以查看用量。

您可以修改或删除本文件；它只会写入一次。
`
