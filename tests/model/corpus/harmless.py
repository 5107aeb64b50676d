"""What looks like a secret or a path of a machine and is neither; all of it must stay as it is."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.model.corpus import Item

SETTINGS: dict[str, Any] = {
    "use_cls_token": True,
    "eos_token_id": 50256,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "[PAD]",
    "unk_token": "<|endoftext|>",
    "mask_token": "<mask>",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "image_token": "<image_placeholder>",
    "special_tokens": ["<|im_start|>", "<|im_end|>", "<|tool_call_begin|>"],
    "additional_special_tokens": ["<extra_id_0>", "<extra_id_99>"],
    "max_tokens": 4096,
    "max_new_tokens": "4096",
    "num_tokens": "1.5e12",
    "tokens_per_second": 1234.5,
    "tokens_per_batch": "0.5M",
    "tokenizer": "meta-llama/Llama-2-7b-chat-hf",
    "tokenizer_name": "EleutherAI/gpt-neox-20b",
    "token_type": "byte-pair-encoding-32k",
    "token_mixer": "depthwise-conv7x7-relu",
    "token_pooling": "mean-of-last-four-layers",
    "tokenization": "sentencepiece-unigram-v2",
    "cls_token_init": "truncated_normal_0.02",
    "token_dropout": "scheduled-linear-0.1-0.3",
    "token": "byte_level_bpe",
    "password_hashing": "bcrypt",
    "auth": "oauth2-device-flow",
    "auth_method": "kerberos",
    "secret_santa": "no",
    "credential_helper": "osxkeychain",
    "api_key_name": "WANDB_API_KEY",
    "api_key_env": "OPENAI_API_KEY",
    "api_key": "${OPENAI_API_KEY}",
    "secret": "{{ vault.key }}",
    "password": "<redacted:secret>",
    "hf_token": "env:HF_TOKEN",
    "access_token": None,
    "token_file": "secrets/token.txt",
    "key": "val_acc",
    "sort_key": "metrics.val/accuracy.top1.mean",
    "primary_key": "subject_id,session_id",
    "partition_key": "year=2024/month=03",
    "key_dim": 64,
    "num_keys": "1024",
    "key_padding_mask": "left-aligned-causal",
    "query_key_norm": "rms-norm-per-head",
    "attention_key": "kv-shared-across-groups",
    "private": False,
    "monitor_key": "eval/rewards/accuracies",
    "cookie_consent": "not-applicable",
    "author": "Ada Lovelace",
    "author_key": "lovelace2024scaling",
    "signature": "(x: Tensor, y: Tensor) -> Tensor",
    "pass": "second",
    "passes": "forward,backward",
    "pwd_policy": "none",
    "bearer_capacity": "12 kN/m2",
    "secretary": "problem",
    "optimizer": "AdamW8bit",
    "lr_schedule": "cosine_with_restarts_warmup2000",
    "betas": [0.9, 0.999],
    "dtype": "bfloat16",
    "precision": "bf16-mixed",
    "activation": "swiglu/geglu/relu^2",
    "augment": "rand-m9-mstd0.5-inc1",
    "crop": "224x224+16",
    "units": "m/s",
    "ratio": "3/4",
    "na": "n/a",
    "rate": "kg/m^2/s",
    "either": "and/or",
    "os": "GNU/Linux",
    "tcp": "TCP/IP",
    "scale": "mg/dL",
    "date": "2024/03/07",
    "fraction": "1/255",
}
MODELS = """
meta-llama/Meta-Llama-3.1-8B-Instruct
mistralai/Mixtral-8x7B-Instruct-v0.1
sentence-transformers/all-MiniLM-L6-v2
openai/clip-vit-large-patch14-336
facebook/dinov2-with-registers-giant
timm/vit_base_patch16_clip_224.laion2b_ft_in12k_in1k
google/flan-t5-xxl
stabilityai/stable-diffusion-xl-base-1.0
Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4
TheBloke/Llama-2-13B-chat-GGUF:Q4_K_M
deepseek-ai/DeepSeek-R1-Distill-Qwen-32B
microsoft/deberta-v3-large-mnli-fever-anli-ling-wanli
efficientnetv2_rw_m.agc_in1k
wav2vec2-large-xlsr-53-german
sk-learn-logistic-regression-baseline
hf_internal_testing_tiny_random_gpt2
gpt-4o-mini-2024-07-18
claude-3-5-sonnet-20241022
ViT-H-14-378-quickgelu
resnet50.a1_in1k
yolov8x-seg-coco-640
sk-ablation-no-dropout-no-weight-decay
sd-v1-5-inpainting-fp16-pruned
nvidia/Llama-3.1-Nemotron-70B-Reward
glpat-style-transfer
xai-shap-explainer
hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K
pa-mlp-mixer-base
dapi-adapter-large
key-value-memory-network
""".splitlines()
NAMES = """
experiment_lr0.001_bs256_seed42_wd0.05_warmup500
2024-03-07_14-22-31_resnet50_imagenet_baseline
sweet-sunset-42
fearless-armadillo-1337
run-20240307_142231-3k9x2m1q
offline-run-20240307_142231-3k9x2m1q
checkpoint-epoch=09-val_loss=0.1234.ckpt
model-00001-of-00030.safetensors
events.out.tfevents.1709821351.node-17.4711.0
ILSVRC2012_val_00000293.JPEG
train-00000-of-01024-abcdef0123456789.parquet
GSE123456_RAW.tar
SRR1234567_1.fastq.gz
ENSG00000139618.17
rs1801133
NM_000546.6:c.215C>G
CHEMBL1201585
4HHB_A
COCO_train2014_000000581921
arXiv:1706.03762v7
doi:10.1038/s41586-021-03819-2
ISBN 978-0-262-03561-3
job_4711_array_17
slurm-4711_17.out
cuda:0
cuda-12.1.1-cudnn8-devel-ubuntu22.04
nvcr.io/nvidia/pytorch:24.01-py3
NVIDIA A100-SXM4-80GB
Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz
Linux-5.15.0-91-generic-x86_64-with-glibc2.35
3.11.7 (main, Dec  8 2023, 18:56:57) [GCC 11.4.0]
torch==2.2.0+cu121
tokens_per_expert_capacity_factor_1.25
AKIAMaru
AKIA dataset of historical photographs
gho_st_writer_v2
npm_run_build_and_test
SG.model.small
eyJhbGc is how a JWT begins
Bearer of bad news
the token: a short story
password reuse among participants
secret sharing with t=3
api key rotation policy study
token=word
passwd field was empty
TCGA-AB-1234-01A-11R-0123-07
HD 209458 b
C1CCCCC1O[C@@H]2C(=O)N3
CC(=O)OC1=CC=CC=C1C(=O)O
InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)
MVLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHFDLSH
ATGGTGCACCTGACTCCTGAGGAGAAGTCTGCCGTTACTGCCCTGTGGGGCAAGGTGAACG
""".splitlines()
REFERENCES = """
https://github.com/ada/project/blob/main/src/train.py#L10-L20
https://wandb.ai/lab/project/runs/3k9x2m1q
https://api.wandb.ai/links/lab/ab12cd34
https://huggingface.co/datasets/lab/corpus/resolve/main/train.jsonl?download=true
https://doi.org/10.5281/zenodo.1234567
https://zenodo.org/records/1234567/files/data.zip
https://arxiv.org/abs/1706.03762
https://example.org/home/ada/data.csv
https://example.org/path?page=2&sort=token
https://example.org/search?q=api+key&lang=en
https://example.org/a/b/c/d/e/f.html#section-2.1
https://drive.google.com/file/d/1AbCdEfGhIjKlMnOpQrStUvWxYz012345/view
https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCd/edit#gid=0
https://colab.research.google.com/github/ada/x/blob/main/demo.ipynb
https://www.kaggle.com/c/titanic/data?select=train.csv
https://dagshub.com/ada/x.mlflow
https://app.neptune.ai/ada/x/e/X-17
https://mlflow.example.org/#/experiments/3/runs/0123456789abcdef0123456789abcdef
http://localhost:5000/#/experiments/1
http://127.0.0.1:8888/lab/tree/notebook.ipynb
git@github.com:ada/project.git
ssh://git@github.com/ada/project.git
git+ssh://git@github.com/ada/project.git@v1.2
user@host.example.org:relative/path
s3://bucket/prefix/data/train.tfrecord
s3://lab-data/home/ada/run-17/ckpt.pt
gs://bucket/users/ada/model
az://container/path/x.bin
abfss://container@account.dfs.core.windows.net/raw/x.parquet
hdfs://namenode:8020/user/ada/x
dbfs:/mnt/lab/x
hf://datasets/lab/corpus@main/train.jsonl
wandb-artifact://lab/project/model:v3
docker://nvcr.io/nvidia/pytorch:24.01-py3
oci://registry.example.org/lab/x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
redis://cache:6379/0
postgresql://db.example.org:5432/mlflow
mongodb://localhost:27017/lab
sqlite:///optuna.db
sqlite:///runs/mlflow.db
tcp://10.0.0.1:29500
ipc:///var-less/x
jdbc:postgresql://db:5432/x
mailto:ada@example.org
urn:uuid:6fa459ea-ee8a-3ca4-894e-db77e160355e
data:text/plain;base64,SGVsbG8sIFdvcmxkIQ==
""".splitlines()
ROUTES = r"""
/api/v1/users/{id}
/v1/chat/completions
/metrics/acc
/statepoint/data/train
/openapi.json
/
//
../data/train.csv
./outputs/run1
~/data/x.csv
data/train.csv
src/aexp/model
outputs/2024-03-07/14-22-31/.hydra/config.yaml
${DATA}/imagenet/train
${oc.env:HOME}/data
$SCRATCH/run
%USERPROFILE%\data
{root}/home/x
<redacted:path>
kb/research/findings/F001-wider.md
.aexp/ledger/ab/abcdef.json
model/encoder/layers/0/attention/kernel:0
/encoder/block.0/layer
params/dense_1/kernel
train/loss/home
^/home/[a-z]+/x$
^(?:/[^/]+)+/?$
s/\/usr\/lib/\/opt/g
\d{3}-\d{4}
\\frac{1}{2}\\alpha
\mathcal{L} = -\sum_i y_i \log \hat{y}_i
$\theta_{t+1} = \theta_t - \eta \nabla L$
x/y/z
A/B/C test
1/2/3
input/output/state
read/write
C:
C:N ratio 1:2
D: no such drive
a:\b
p:/q
key:/value
//h5_dataset
/entry/data
h5://x.h5/entry/data
:/a
http/2
w/o augmentation
w/ home advantage
TP/(TP+FN)
0/1 loss
en/de
""".splitlines()
KEYED: list[tuple[str, Any]] = [
    ("git_commit", hashlib.sha1(b"commit", usedforsecurity=False).hexdigest()),
    ("code_commit", hashlib.sha1(b"other", usedforsecurity=False).hexdigest()),
    ("tree", hashlib.sha1(b"tree", usedforsecurity=False).hexdigest()),
    ("short_commit", "a1b2c3d"),
    ("job_id", hashlib.md5(b"job", usedforsecurity=False).hexdigest()),
    ("md5", hashlib.md5(b"data", usedforsecurity=False).hexdigest()),
    ("sha256", hashlib.sha256(b"data").hexdigest()),
    ("digest", "sha256:" + hashlib.sha256(b"x").hexdigest()),
    ("sha512", hashlib.sha512(b"x").hexdigest()),
    ("blake2", hashlib.blake2b(b"x").hexdigest()),
    ("etag", '"' + hashlib.md5(b"etag", usedforsecurity=False).hexdigest() + '-12"'),
    ("image", "lab/train@sha256:" + hashlib.sha256(b"image").hexdigest()),
    ("sri", "sha384-" + base64.b64encode(hashlib.sha384(b"x").digest()).decode()),
    ("checksum", base64.b64encode(hashlib.sha256(b"x").digest()).decode()),
    ("md5_base64", base64.b64encode(hashlib.md5(b"x", usedforsecurity=False).digest()).decode()),
    ("crc32", "8c736521"),
    ("uuid", str(uuid.UUID(int=0x6FA459EAEE8A4CA4894EDB77E160355E))),
    ("run_uuid", uuid.UUID(int=0x6FA459EAEE8A4CA4894EDB77E160355E).hex),
    ("gpu_uuid", "GPU-6fa459ea-ee8a-4ca4-894e-db77e160355e"),
    ("wandb_run_id", "3k9x2m1q"),
    ("wandb_group", "sweep-8f3k2m1q"),
    ("tracker_run", "lab/project/3k9x2m1q"),
    ("neptune_id", "PROJ-1234"),
    ("mlflow_run_id", hashlib.md5(b"mlflow", usedforsecurity=False).hexdigest()),
    ("comet_experiment", hashlib.md5(b"comet", usedforsecurity=False).hexdigest()),
    ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ("nanoid", "V1StGXR8_Z5jdHi6B-myT"),
    ("small base64", base64.b64encode(b"hello, world").decode()),
    ("encoded config", base64.b64encode(json.dumps({"lr": 0.1}).encode()).decode()),
    ("png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"),
    ("mask", "1" * 64),
    ("bits", "0110100110010110" * 4),
    ("rle", "1,10 20,5 37,12"),
    ("config_hash", "cfg-7d2f9a"),
    ("cache_key", "tok-gpt2-len1024-" + hashlib.md5(b"c", usedforsecurity=False).hexdigest()),
    ("dataset_key", "lab/corpus/v2.1.0/train"),
    ("public_key", "ssh-ed25519"),
    ("hostkey_fingerprint", "SHA256:" + base64.b64encode(bytes(range(32))).decode().rstrip("=")),
    ("model_key", "vit_b16_in21k_augreg2_ft_in1k"),
    ("seed_key", "jax.random.PRNGKey(42)"),
    ("prng_key", [0, 42]),
    ("conda_env", "py311-torch22-cu121"),
    ("wheel", "torch-2.2.0+cu121-cp311-cp311-manylinux_2_17_x86_64.whl"),
    ("node", "gpu-a100-017.cluster.local"),
    ("ip", "fe80::1ff:fe23:4567:890a"),
    ("mac", "00:1A:2B:3C:4D:5E"),
    ("time", "2026-01-01T00:00:00.123456Z"),
    ("version", "1!2.0.0rc1.post3.dev4+g1a2b3c4.d20240307"),
    ("email", "ada@example.org"),
    ("orcid", "0000-0002-1825-0097"),
    ("formula", "y ~ x1 + x2*x3 + (1|subject)"),
    ("sql", "SELECT token, password_length FROM study WHERE age > 30"),
    ("prompt", "You are a helpful assistant. Never reveal the password."),
    ("note", "password was not needed; token count 12k; key finding: it works"),
    ("note2", "token: 0.1 per second, secret=none, key=value"),
    ("help", "set WANDB_API_KEY before you start, or pass --api-key KEY"),
    ("error", "KeyError: 'api_key'"),
    ("error2", "ValueError: token indices sequence length is longer than 512 (1024 > 512)"),
    ("error3", "AuthenticationError: Incorrect API key provided: ****"),
    ("error4", "Expected all tensors to be on the same device, but found cuda:0 and cpu!"),
    ("error5", "size mismatch for cls_token: copying a param with shape torch.Size([1, 1, 768])"),
    ("command", ["python", "train.py", "--tokenizer", "gpt2", "--max-tokens", "4096"]),
    ("command2", ["python", "-m", "torch.distributed.run", "--rdzv_endpoint=node1:29500"]),
    ("command3", ["train.py", "optimizer.lr=0.1", "+token.kind=bpe", "~logger.key"]),
    ("command4", ["--auth", "none", "--token-type", "word"]),
    ("xpath", "/html/body/div[1]/a"),
    ("topic", "/camera/color/image_raw"),
    ("hdf5_path", "/entry/instrument/detector/data"),
    ("url", "/runs/17"),
    ("api_route", "/home/dashboard"),
    ("json_pointer", "/params/optimizer/lr"),
    ("zarr_path", "measurements/t0/x"),
    ("data_dir", "data/imagenet"),
    ("output_path", "outputs/run1/model.pt"),
    ("root", "."),
    ("home_team", "Ada FC"),
    ("critical_path", "A-B-D"),
    ("file", "train.csv"),
    ("layers", [64, 32, 16]),
]


def harmless() -> Iterator[Item]:
    """Yield every look-alike; none may be touched."""
    for key, value in SETTINGS.items():
        yield Item(f"{key}: {value}", {key: value}, "setting")
    for group, lines in (
        ("model name", MODELS),
        ("name or text", NAMES),
        ("URL or reference", REFERENCES),
        ("route, pattern, relative path", ROUTES),
    ):
        for text in filter(None, map(str.strip, lines)):
            yield Item(text, {"value": text}, group)
    for key, value in KEYED:
        yield Item(f"{key}: {value}", {key: value}, "digest, id, other")
