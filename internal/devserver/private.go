package devserver

import (
	"path/filepath"

	"asgibox/httpfront/devcert"
	"asgibox/store"
)

// privateFiles returns the files of the server that the application in a folder
// must not serve. The files in the default folder may come from an earlier server.
func privateFiles(folder string, o *Options) []string {
	folder = filepath.Join(folder, dataFolderName)
	files := append(store.Files(filepath.Join(folder, dataFileName)), filepath.Join(folder, devcert.KeyFile))
	if o.DataFile != "" && o.DataFile != MemoryStore {
		files = append(files, store.Files(o.DataFile)...)
	}
	for _, file := range []string{o.TLS.Key, o.AccessLog} {
		if file != "" && file != "-" {
			files = append(files, file)
		}
	}
	return files
}
