// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package disktest is a disk in memory that loses power and fails when a
// test says so.
//
// It is as unkind as POSIX allows: after a loss of power, what was not synced is
// there or not, sector by sector, and a file whose directory was not synced may
// have its old name, its new name, or none. So may a directory, with all that is in
// it.
package disktest

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/skydive-project/skybridge/disk"
)

// ErrDead is the answer to everything after the operation that Die names.
var ErrDead = errors.New("disktest: the process is dead")

// sector is what is written whole or not at all.
const sector = 64 // small, so that small files have several

// Op is an operation.
type Op string

// The operations: those that change something, which [Disk.Fail] is asked about, and the
// others.
const (
	Create   Op = "create"
	Write    Op = "write"
	Sync     Op = "sync"
	Truncate Op = "truncate"
	Rename   Op = "rename"
	Remove   Op = "remove"
	SyncDir  Op = "syncdir"

	Open  Op = "open"
	Read  Op = "read"
	Size  Op = "size"
	Close Op = "close"
	Mkdir Op = "mkdir"
	List  Op = "list"
	Lock  Op = "lock"
)

// Disk is a file system in memory. The zero value is not ready: see New.
type Disk struct {
	disk.FS // what the process uses

	mu      sync.Mutex
	random  *rand.Rand
	names   map[string]*inode // as the process sees them
	durable map[string]*inode // as a loss of power leaves them
	pending []change          // of names, since their directory was synced
	// dirs are the directories that were made, true where a loss of power leaves them.
	// One that was not made always was there.
	dirs  map[string]bool
	locks map[string]bool
	ops   int
	fail  func(n int, op Op, name string) error
	// failing is why the operation that runs fails.
	failing error
	dead    bool
	life    int // counts losses of power: older files are of a dead process
}

type inode struct {
	data    []byte // as the process sees it
	durable []byte
	lost    map[int]bool // sectors that a failed sync forgot, until written again
}

// change of a name; to nil is its removal, or a directory was made.
type change struct {
	dir, name string
	to        *inode
	made      bool
}

// New returns an empty disk whose losses of power take their course from seed.
func New(seed uint64) *Disk {
	d := &Disk{
		random: rand.New(rand.NewPCG(seed, 1)), names: make(map[string]*inode),
		durable: make(map[string]*inode), dirs: make(map[string]bool), locks: make(map[string]bool),
	}
	d.FS = Intercept(plain{d}, d.do)
	return d
}

// Fail asks f before every operation that changes something, the first of which
// has number 0; where it returns an error, the operation fails with it, a write
// in its midst. ErrDead is the end of the process: everything fails after it.
// Nil ends that.
func (d *Disk) Fail(f func(n int, op Op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail, d.ops = f, 0
}

// Ops is how many operations there were since Fail.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Dead says whether an operation has failed with ErrDead.
func (d *Disk) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Kill ends the process as kill -9 does: what was written stays, synced or not,
// and the locks are free.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead, d.fail = false, nil
	clear(d.locks)
	d.life++
}

// LosePower ends the process and leaves what was synced, and of the rest what
// chance leaves.
func (d *Disk) LosePower() {
	d.Kill()
	d.mu.Lock()
	defer d.mu.Unlock()
	// A journal keeps the order of names: some of the first changes are there.
	kept := 0
	if len(d.pending) > 0 {
		kept = d.random.IntN(len(d.pending) + 1)
	}
	for _, c := range d.pending[:kept] {
		d.settle(c)
	}
	d.pending = nil
	for _, dir := range slices.Sorted(maps.Keys(d.dirs)) {
		if !d.dirs[dir] {
			inside := func(name string) bool { return strings.HasPrefix(name, dir+"/") }
			maps.DeleteFunc(d.durable, func(name string, _ *inode) bool { return inside(name) })
			maps.DeleteFunc(d.dirs, func(name string, _ bool) bool { return name == dir || inside(name) })
		}
	}
	d.names = maps.Clone(d.durable)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		d.names[name].tear(d.random)
	}
}

func (c change) apply(names map[string]*inode) {
	if c.to == nil {
		delete(names, c.name)
		return
	}
	names[c.name] = c.to
}

// settle makes a change durable. The lock is held.
func (d *Disk) settle(c change) {
	if c.made {
		d.dirs[c.name] = true
		return
	}
	c.apply(d.durable)
}

// tear leaves of an inode what a loss of power leaves.
func (i *inode) tear(random *rand.Rand) {
	size := len(i.durable)
	if grown := len(i.data) - size; grown > 0 {
		size += random.IntN(grown + 1)
	} else if grown < 0 && random.IntN(2) == 0 {
		size = len(i.data)
	}
	left := make([]byte, size)
	copy(left, i.durable)
	for from := 0; from < size; from += sector {
		if random.IntN(2) == 0 && from < len(i.data) {
			copy(left[from:min(from+sector, size)], i.data[from:])
		}
	}
	i.data, i.durable, i.lost = left, slices.Clone(left), nil
}

// Files returns the names of all files.
func (d *Disk) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names))
}

// Bytes returns a copy of a file.
func (d *Disk) Bytes(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.names[name]; i != nil {
		return slices.Clone(i.data)
	}
	return nil
}

// SetBytes makes a file, or changes one, durably.
func (d *Disk) SetBytes(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := &inode{data: slices.Clone(data), durable: slices.Clone(data)}
	d.names[name], d.durable[name] = i, i
}

// do runs an operation unless it fails. A write that fails, or a sync, is run nevertheless:
// the file knows what is left of it.
func (d *Disk) do(op Op, name string, run func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch op {
	case Close, Size, Lock:
		return run()
	}
	if d.dead {
		return ErrDead
	}
	d.failing = nil
	switch op {
	case Create, Write, Sync, Truncate, Rename, Remove, SyncDir:
		n := d.ops
		d.ops++
		if d.fail != nil {
			d.failing = d.fail(n, op, name)
		}
	}
	if d.failing != nil {
		d.dead = errors.Is(d.failing, ErrDead)
		d.failing = &fs.PathError{Op: string(op), Path: name, Err: d.failing}
		if op != Write && op != Sync {
			return d.failing
		}
	}
	return run()
}

// plain is the file system of a Disk whose operations do not fail by themselves. The
// disk's lock is held.
type plain struct{ *Disk }

// Mkdir makes a directory. Those above it are taken to be there.
func (d plain) Mkdir(dir string) error {
	if _, ok := d.dirs[dir]; ok {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	d.dirs[dir] = false
	d.pending = append(d.pending, change{dir: filepath.Dir(dir), name: dir, made: true})
	return nil
}

func (d plain) Create(name string) (disk.File, error) {
	if d.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	i := &inode{}
	d.rename(change{dir: filepath.Dir(name), name: name, to: i})
	return &file{disk: d.Disk, name: name, inode: i, life: d.life, writable: true}, nil
}

func (d plain) rename(c change) {
	c.apply(d.names)
	d.pending = append(d.pending, c)
}

func (d plain) Open(name string) (disk.File, error) {
	i := d.names[name]
	if i == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{disk: d.Disk, name: name, inode: i, life: d.life}, nil
}

func (d plain) Truncate(name string, size int64) error {
	i := d.names[name]
	if i == nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: fs.ErrNotExist}
	}
	i.data = i.data[:min(int(size), len(i.data))]
	i.sync()
	return nil
}

func (d plain) Rename(from, to string) error {
	i := d.names[from]
	if i == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	d.rename(change{dir: filepath.Dir(to), name: to, to: i})
	d.rename(change{dir: filepath.Dir(from), name: from, to: nil})
	return nil
}

func (d plain) Remove(name string) error {
	if d.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	d.rename(change{dir: filepath.Dir(name), name: name, to: nil})
	return nil
}

func (d plain) ReadDir(dir string) ([]disk.Entry, error) {
	var out []disk.Entry
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if filepath.Dir(name) == filepath.Clean(dir) {
			out = append(out, disk.Entry{Name: filepath.Base(name), Size: int64(len(d.names[name].data))})
		}
	}
	return out, nil
}

func (d plain) SyncDir(dir string) error {
	d.pending = slices.DeleteFunc(d.pending, func(c change) bool {
		if c.dir != filepath.Clean(dir) {
			return false
		}
		d.settle(c)
		return true
	})
	return nil
}

func (d plain) Lock(name string) (io.Closer, error) {
	if d.locks[name] {
		return nil, disk.ErrLocked
	}
	d.locks[name] = true
	return unlock{d.Disk, name}, nil
}

type unlock struct {
	disk *Disk
	name string
}

func (u unlock) Close() error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	delete(u.disk.locks, u.name)
	return nil
}
