// A plug-in of Velero that keeps backups in a folder, in place of object storage.
package main

import (
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

type folder struct{ root string }

func (f *folder) Init(config map[string]string) error {
	f.root = config["root"]
	return nil
}

func (f *folder) path(bucket, key string) string {
	return filepath.Join(f.root, bucket, filepath.FromSlash(key))
}

func (f *folder) PutObject(bucket, key string, body io.Reader) error {
	target := f.path(bucket, key)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return os.WriteFile(target, content, 0o600)
}

func (f *folder) ObjectExists(bucket, key string) (bool, error) {
	_, err := os.Stat(f.path(bucket, key))
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

func (f *folder) GetObject(bucket, key string) (io.ReadCloser, error) {
	return os.Open(f.path(bucket, key))
}

func (f *folder) ListObjects(bucket, prefix string) ([]string, error) {
	found := []string{}
	base := filepath.Join(f.root, bucket)
	err := filepath.WalkDir(base, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key, err := filepath.Rel(base, path)
		if key = filepath.ToSlash(key); strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
		return err
	})
	if os.IsNotExist(err) {
		return nil, nil
	}
	return found, err
}

func (f *folder) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	keys, err := f.ListObjects(bucket, prefix)
	seen := map[string]bool{}
	for _, key := range keys {
		if head, _, ok := strings.Cut(strings.TrimPrefix(key, prefix), delimiter); ok {
			seen[prefix+head+delimiter] = true
		}
	}
	found := []string{}
	for one := range seen {
		found = append(found, one)
	}
	sort.Strings(found)
	return found, err
}

func (f *folder) DeleteObject(bucket, key string) error {
	return os.Remove(f.path(bucket, key))
}

func (f *folder) CreateSignedURL(bucket, key string, _ time.Duration) (string, error) {
	return "file://" + f.path(bucket, key), nil
}

func main() {
	framework.NewServer().
		BindFlags(pflag.CommandLine).
		RegisterObjectStore("sekisho.test/folder", func(logrus.FieldLogger) (any, error) {
			return &folder{}, nil
		}).
		Serve()
}
