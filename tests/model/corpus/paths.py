"""Absolute paths of the machines that people train on; none of them may be published."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.model.corpus import Item

LINUX = """
/home/ada/project/data.csv
/home/ada
/home/ada.lovelace@corp/x
/root/.cache/huggingface/hub
/scratch/ada/run_17/ckpt.pt
/scratch1/09123/ada/data
/gpfs/alpine/proj-shared/csc123/x
/gpfs/u/home/PCFM/x.h5
/lustre/orion/stf006/scratch/ada
/lustre/fs01/portfolios/nvr/users/ada/x
/p/scratch/laionize/ada/webdataset
/p/project/ccstdl/ada
/work/ada/outputs/checkpoint-1000/model.safetensors
/work2/01234/ada/frontera/job
/mnt/data/imagenet/train
/mnt/disks/ssd0/tfrecords
/media/ada/usb disk/photos
/data/imagenet
/data1/ada/coco/annotations/instances_train2017.json
/datasets/ILSVRC2012/val
/nfs/homes/ada/.config
/nfs4/lab/x
/ceph/home/ada/runs
/cephfs/volumes/lab
/beegfs/home/users/a/ada
/afs/cern.ch/user/a/ada/public
/cvmfs/sft.cern.ch/lcg/views
/eos/user/a/ada/ntuples/sample.root
/global/cscratch1/sd/ada/out
/global/homes/a/ada/x.nc
/pscratch/sd/a/ada/run
/cluster/home/ada/.bashrc
/cluster/work/sachan/ada
/storage/home/hcoda1/8/ada3
/vol/bitbucket/ada/venv
/netscratch/ada/logs/job.out
/tmp/tmpab12cd34/model.pkl
/tmp/ray/session_2026-01-01_00-00-00_000000_123/logs
/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/tmp1
/var/lib/docker/overlay2/abc
/opt/conda/envs/py311/lib/python3.11/site-packages/torch/nn/modules/module.py
/usr/local/cuda-12.1/bin/nvcc
/usr/lib/python3/dist-packages/numpy
/etc/ssl/certs/ca.pem
/srv/jupyter/ada/notebook.ipynb
/content/drive/MyDrive/colab/run1
/kaggle/input/titanic/train.csv
/dbfs/FileStore/ada/model
/databricks/driver/logs
/workspace/project/train.py
/workspaces/repo/data
/app/src/main.py
/proc/self/fd/3
/dev/shm/ada/cache
/run/user/1000/x
/export/home/ada/x
/glade/work/ada/wrf
/glade/derecho/scratch/ada
/ocean/projects/cis230001p/ada/data
/hpc/group/lab/ada/x.py
/projects/bbkc/ada/llm
/project/def-prof/ada/x
/users/ada/x
/u/ada/scratch/x
/fsx/ada/checkpoints/step_100
/efs/home/ada
/raid/ada/cache/tokens.bin
/ssd/ada/x.lmdb
/nobackup/ada/jobs/4711
/sw/eb/modules/all
/nix/store/0abc123-python3-3.11
/snap/code/123/usr/share
/teamspace/studios/this_studio/x
""".splitlines()
MACOS = """
/Users/ada/Documents/thesis/data.csv
/Users/ada/Library/Application Support/aexp/config.json
/Users/ada/Library/Mobile Documents/com~apple~CloudDocs/x
/Users/Shared/data
/Volumes/Backup Disk/experiments/run 1/out.csv
/Applications/MATLAB_R2024a.app/bin/matlab
/private/var/folders/q1/abcdef0000gn/T/x
/private/tmp/x.sock
/opt/homebrew/Cellar/python@3.11/3.11.7/bin/python3.11
/Library/Frameworks/Python.framework/Versions/3.11/bin/python3
/System/Library/Fonts/Helvetica.ttc
/usr/local/Cellar/openmpi/5.0.1
""".splitlines()
WINDOWS = r"""
C:\Users\ada\Documents\data.csv
C:\Users\Ada Lovelace\OneDrive - Lab\runs\x.h5
C:\Program Files\Python311\python.exe
C:\ProgramData\Anaconda3\envs\torch
D:\datasets\imagenet\train
E:\ada\run1
C:/Users/ada/project/train.py
D:/data/coco
c:\users\ada\x.txt
\\fileserver\lab\ada\data
\\wsl$\Ubuntu\home\ada\x
\\nas01.example.org\share$\runs\1
Z:\scratch\ada
C:\tmp\run.log
""".splitlines()
CONTEXTS: dict[str, Callable[[str], object]] = {
    "alone": lambda path: {"statepoint": {"source": path}},
    "under a path key": lambda path: {"params": {"data_dir": path}},
    "in a message": lambda path: {
        "error": {"message": f"[Errno 2] No such file or directory: '{path}'"}
    },
    "as an option": lambda path: {"command": ["train.py", f"--data={path}", "--lr", "0.1"]},
    "as an argument": lambda path: {"command": ["train.py", "--data", path]},
    "in a list": lambda path: {"inputs": [{"name": "x", "uri": path}]},
    "file url": lambda path: {"uri": f"file://{path}"},
    "search path": lambda path: {"env": f"{path}:{path}/bin"},
    "as a key": lambda path: {"params": {path: 1}},
}


def paths() -> Iterator[Item]:
    """Yield every path in its contexts; each must be found."""
    for system, lines in (("Linux", LINUX), ("macOS", MACOS), ("Windows", WINDOWS)):
        for path in filter(None, map(str.strip, lines)):
            for context, place in CONTEXTS.items():
                posix = path.startswith("/")
                if (context in ("file url", "search path") and not posix) or (
                    context == "file url" and " " in path
                ):
                    continue
                yield Item(path, place(path), f"path, {system}")
