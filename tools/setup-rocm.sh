#!/bin/sh
# Puts a HIP compiler for gfx950 into one folder, laid out like /opt/rocm.
#
#   usage: sh tools/setup-rocm.sh [PREFIX]        PREFIX defaults to .rocm
#
# Debian 12, x86-64. No root, and nothing outside PREFIX changes; to undo, delete the folder.
#
# Where the parts come from, and why:
#   LLVM     Debian 12's own security suite carries clang 22, built for its own glibc, with the
#            AMDGPU back end. So no foreign compiler is needed.
#   ROCm     hipcc, the HIP headers and the device bitcode come from Debian experimental. All but
#            hipcc are data. hipcc is a small driver that wants a newer glibc than Debian 12 has,
#            so it runs through its own loader from PREFIX/rt.
# Mirrors are those in this machine's apt configuration (override: DEBIAN_MIRROR and
# DEBIAN_SECURITY_MIRROR). apt verifies Debian's signature on each suite's index and the index's
# checksum of each package; a package that fails either is never unpacked.
#
# The folder is built as PREFIX.partial and renamed when whole, so an interrupted run leaves no
# half a compiler; PREFIX.lock makes a second run wait for the first.
# Lines that begin with "setup-rocm:" on stderr are progress, everything else is detail.
set -eu

say() { echo "setup-rocm: $*" >&2; }
die() { say "error: $*"; exit 1; }

# --- where to --------------------------------------------------------------------------------
PREFIX=${1:-.rocm}
case $PREFIX in /*) ;; *) PREFIX=$PWD/$PREFIX ;; esac
case $PREFIX in
  *[!A-Za-z0-9/._+@,-]*) die "hipcc does not quote its own path: choose a PREFIX of letters, digits and ./_+-" ;;
esac
PARTIAL=$PREFIX.partial
for tool in apt-get apt-cache dpkg-deb flock awk; do
  command -v "$tool" >/dev/null || die "$tool not found: this script needs Debian's apt, dpkg and util-linux"
done

mkdir -p "${PREFIX%/*}"
exec 9>"$PREFIX.lock"
flock -n 9 || { say "another run is filling $PREFIX, waiting for it"; flock 9; }
if [ -x "$PREFIX/bin/hipcc" ]; then say "$PREFIX is there already"; exit 0; fi
[ ! -e "$PREFIX" ] || rmdir "$PREFIX" 2>/dev/null || die "$PREFIX exists and holds no bin/hipcc: move it away"
rm -rf "$PARTIAL"
mkdir -p "$PARTIAL"
trap 'rm -rf "$PARTIAL"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- which mirrors ---------------------------------------------------------------------------
configured=$(grep -rhoE '^[^#]*[a-z+]+://[^ ]+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
  grep -oE '[a-z+]+://[^ ]+' || true)
MIRROR=${DEBIAN_MIRROR:-$(echo "$configured" | grep -m1 '/debian/*$' || true)}
SECURITY=${DEBIAN_SECURITY_MIRROR:-$(echo "$configured" | grep -m1 '/debian-security/*$' || true)}
[ -n "$MIRROR" ] && [ -n "$SECURITY" ] ||
  die "no Debian mirror in the apt configuration: set DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR"

# --- a private apt: own lists, own cache, the machine's keys ---------------------------------
APT=$PARTIAL/.apt
mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial" "$APT/debs"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keys" ] || die "$keys not found: install debian-archive-keyring"
cat >"$APT/sources.list" <<SOURCES
deb [signed-by=$keys] $MIRROR bookworm main
deb [signed-by=$keys] $SECURITY bookworm-security main
deb [signed-by=$keys] $MIRROR experimental main
deb [signed-by=$keys] $MIRROR sid main
SOURCES

# Check-Valid-Until is off because a mirror snapshot may be older than its index's expiry date;
# signatures are checked all the same.
apt_() {
  command=$1
  shift
  "apt-$command" -q \
    -oDir::Etc::SourceList="$APT/sources.list" -oDir::Etc::SourceParts=/dev/null \
    -oDir::Etc::Preferences=/dev/null -oDir::Etc::PreferencesParts=/dev/null \
    -oDir::State::Lists="$APT/lists" -oDir::Cache="$APT/cache" \
    -oAcquire::Languages=none -oAcquire::Check-Valid-Until=false \
    -oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -oAPT::Sandbox::User="$(id -un)" -oAPT::Architecture=amd64 -oAPT::Architectures=amd64 "$@" 9>&-
}

say "reading the package indices (about 21 MB)"
apt_ get update >&2 || die "apt could not read the package indices (network, or a mirror without one of the suites)"

# --- which versions --------------------------------------------------------------------------
# LLVM majors and library majors are tried from high to low; a range, not a version.
llvm_majors="30 29 28 27 26 25 24 23 22"
so_majors="14 13 12 11 10 9 8 7 6"
known=$(apt_ cache madison hipcc libamdhip64-dev libhsa-runtime-dev \
  $(for n in $llvm_majors; do echo "libllvm$n rocm-device-libs-$n"; done) \
  $(for n in $so_majors; do echo "libamdhip64-$n libhiprtc$n libhiprtc-builtins$n"; done) 2>/dev/null)

# version PACKAGE [SUITE]: the newest version offered, or nothing
version() {
  echo "$known" | awk -F' *[|] *' -v package="$1" -v suite="${2:-.}" \
    '{ gsub(/ /, "", $1) } $1 == package && $0 ~ suite { print $2; exit }'
}
newest() {
  for package in "$@"; do
    v=$(version "$package")
    [ -n "$v" ] || die "no package $package in the configured suites"
    echo "$package=$v"
  done
}

# The newest LLVM that Debian 12 itself carries and that the ROCm packages have device bitcode for.
LLVM=
for n in $llvm_majors; do
  llvm_version=$(version "libllvm$n" bookworm)
  if [ -n "$llvm_version" ] && [ -n "$(version "rocm-device-libs-$n")" ]; then LLVM=$n; break; fi
done
[ -n "$LLVM" ] || die "the configured suites have no LLVM >= 22 with matching rocm-device-libs"
compiler=
for package in "clang-$LLVM" "clang-tools-$LLVM" "lld-$LLVM" "llvm-$LLVM" "libllvm$LLVM" "libclang-cpp$LLVM" \
  "libclang1-$LLVM" "libclang-common-$LLVM-dev" "libclang-rt-$LLVM-dev"; do
  compiler="$compiler $package=$llvm_version"
done

# The runtime library whose version is that of the headers.
hip_version=$(version libamdhip64-dev)
for SO in $so_majors; do [ "$(version "libamdhip64-$SO")" != "$hip_version" ] || break; done
rocm=$(newest hipcc "rocm-device-libs-$LLVM" libamdhip64-dev "libamdhip64-$SO" "libhiprtc$SO" \
  "libhiprtc-builtins$SO" libhsa-runtime-dev)
# What hipcc runs on, and what LLVM links that a minimal Debian 12 lacks.
loader="libc6/sid libstdc++6/sid libgcc-s1/sid"
libraries="patchelf/bookworm libz3-4/bookworm libedit2/bookworm libbsd0/bookworm libmd0/bookworm
  libxml2/bookworm libicu72/bookworm libffi8/bookworm libpfm4/bookworm"

# --- download --------------------------------------------------------------------------------
cd "$APT/debs"
uris=$(apt_ get download --print-uris $compiler $rocm $loader $libraries 2>/dev/null | grep "^'") ||
  die "apt cannot resolve the package list"
count=$(echo "$uris" | wc -l)
megabytes=$(echo "$uris" | awk '{ bytes += $3 } END { printf "%.0f", bytes / 1e6 }')
say "downloading $count packages, $megabytes MB (LLVM $llvm_version, HIP $hip_version); 405 MB on disk when done"
# apt prints one "Get:" line per package; a pipe hides its exit status, so that goes through a file.
{ apt_ get download $compiler $rocm $loader $libraries 2>&1 || echo failed >"$APT/failed"; } |
  while read -r line; do
    echo "$line" >&2
    case $line in Get:*)
      done_=${line#Get:}
      say "package ${done_%% *} of $count: $(echo "$line" | awk '{ print $5 "  " $(NF - 1) " " $NF }')"
      ;;
    esac
  done
[ ! -e "$APT/failed" ] || die "a download failed or did not match its checksum"

# --- unpack ----------------------------------------------------------------------------------
say "unpacking"
P=$PARTIAL
mkdir -p "$P/deb" "$P/rt" "$P/bin" "$P/lib" "$P/include" "$P/share" "$P/amdgcn"
for deb in "$APT"/debs/*.deb; do
  case ${deb##*/} in
    libc6_* | libstdc++6_* | libgcc-s1_*) dpkg-deb -x "$deb" "$P/rt" ;;
    *) dpkg-deb -x "$deb" "$P/deb" ;;
  esac || die "cannot unpack ${deb##*/} (disk full?)"
  rm "$deb"
done
cd "$P"
llvm=deb/usr/lib/llvm-$LLVM
libs=deb/usr/lib/x86_64-linux-gnu
runtime=rt/usr/lib/x86_64-linux-gnu

# Every program of the folder must find the folder's libraries and none of the machine's. LLVM's
# run path names a folder that a private unpacking lacks, hence the link; the one library that all
# others come in through gets a DT_RPATH, which (unlike DT_RUNPATH) its dependencies inherit.
libllvm=$(cd "$libs" && echo libLLVM.so."$LLVM".*)
ln -sfn "../../x86_64-linux-gnu/$libllvm" "$llvm/lib/$libllvm"
deb/usr/bin/patchelf --force-rpath --set-rpath '$ORIGIN:$ORIGIN/../../x86_64-linux-gnu' "$libs/$libllvm"

# Drop what a kernel build never reads: 200 MB of sanitizers, host runtimes, documentation.
rm -rf "$llvm/bin/llvm-exegesis" "$llvm/bin/c-index-test" deb/usr/share/doc deb/usr/share/man rt/usr/share "$runtime/gconv"
find "$llvm/lib/clang/$LLVM/lib" -type f ! -name 'libclang_rt.builtins-x86_64.a' ! -name 'clang_rt.crt*x86_64*' -delete

# llvm-objdump links libcurl, only to fetch debug information by network. On a machine without
# libcurl a library with those ten names and no function spares its fifteen packages.
if ! "$llvm/bin/llvm-objdump" --version >/dev/null 2>&1; then
  if command -v cc >/dev/null; then
    for f in easy_cleanup easy_getinfo easy_init easy_perform easy_setopt easy_strerror global_cleanup global_init \
      slist_append slist_free_all; do
      echo "void *curl_$f(void) { return 0; }"
    done >"$APT/curl.c"
    echo 'CURL_OPENSSL_4 { global: curl_*; local: *; };' >"$APT/curl.map"
    cc -shared -fPIC -Wl,-soname,libcurl.so.4 -Wl,--version-script,"$APT/curl.map" -o "$llvm/lib/libcurl.so.4" "$APT/curl.c"
  else
    say "no cc and no libcurl here: llvm-objdump will not run (hipcc will)"
  fi
fi

# --- the look of /opt/rocm -------------------------------------------------------------------
# All links are relative: the folder may be moved.
ln -sfn "../$llvm" lib/llvm
ln -sfn lib/llvm llvm
for d in hip hsa; do ln -sfn "../deb/usr/include/$d" "include/$d"; done
ln -sfn "../$llvm/lib/clang/$LLVM/amdgcn/bitcode" amdgcn/bitcode
ln -sfn ../deb/usr/share/hip share/hip
for f in "$libs"/libamdhip64.so* "$libs"/libhiprtc*.so*; do
  [ ! -e "$f" ] || ln -sfn "../$f" "lib/${f##*/}"
done
ln -sfn "libclang-$LLVM.so.$LLVM" "$llvm/lib/libclang.so"
for tool in clang clang++ ld.lld llvm-objdump llvm-readelf llvm-readobj llvm-mc llvm-mca llc opt llvm-dis llvm-nm \
  llvm-objcopy clang-offload-bundler amdgpu-arch; do
  ln -sfn "../llvm/bin/$tool" "bin/$tool"
done
# hipcc asks this one which GPUs the machine has; the answer is none.
printf '#!/bin/sh\nexit 0\n' >bin/rocm_agent_enumerator
# hipcc finds its parts through its own path, which is the loader's here; so all are named. The link
# flags are for host programs: GNU ld refuses libamdhip64's own undefined symbols, and gcc 12's
# libgcc lacks the bf16 conversions that HIP's headers call.
for tool in hipcc hipconfig; do
  cat >"bin/$tool" <<'WRAPPER'
#!/bin/sh
P=$(readlink -f "$0"); T=${P##*/}; P=${P%/bin/*}; R=$P/rt/usr/lib/x86_64-linux-gnu
export HIP_PATH="$P" ROCM_PATH="$P" HIP_CLANG_PATH="$P/llvm/bin" HIP_LIB_PATH="$P/lib" HIP_PLATFORM=amd HIP_DEVICE_LIB_PATH="$P/amdgcn/bitcode"
export HIPCC_LINK_FLAGS_APPEND="-fuse-ld=lld --rtlib=compiler-rt --unwindlib=libgcc ${HIPCC_LINK_FLAGS_APPEND:-}"
exec "$R/ld-linux-x86-64.so.2" --library-path "$R" "$P/deb/usr/bin/$T" "$@"
WRAPPER
done
chmod +x bin/hipcc bin/hipconfig bin/rocm_agent_enumerator

# --- does it work? then it is there ----------------------------------------------------------
echo 'extern "C" __attribute__((global)) void probe() {}' >"$APT/probe.hip"
bin/hipcc --genco --no-gpu-bundle-output --offload-arch=gfx950 -nogpuinc -nogpulib "$APT/probe.hip" -o "$APT/probe.co" >&2 ||
  die "the unpacked hipcc cannot compile an empty kernel for gfx950"
rm -rf "$APT"
mv "$PARTIAL" "$PREFIX"
trap - EXIT
say "ready: $PREFIX ($(du -sm "$PREFIX" | cut -f1) MB)"
