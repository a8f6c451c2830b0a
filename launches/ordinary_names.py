"""Names of programs that load no model, whatever they are told."""

BUILT_IN = frozenset(
    ". : [ [[ alias autoload bg bind break builtin caller case cd command compgen complete continue declare dirs "
    "disown echo enable esac exec exit export false fc fg fi for function getopts hash help history if jobs kill let "
    "local logout mapfile popd print printf pushd pwd read readarray readonly return select set setopt shift shopt "
    "source suspend test then time times trap true type typeset ulimit umask unalias unset until wait while "
    "zstyle".split()
)
"""Of shells: bash(1), zshbuiltins(1); ``exec`` and the like start what stands behind them, which is looked at too."""
TOOLS = frozenset(
    "7z ag amd-smi amdgpu_top apt-cache apt-key ar arch aria2c as awk aws axel b2sum base64 basename bat bc btop "
    "bunzip2 bzip2 c++ cal cat cc ccache certbot chattr chgrp chmod chown chpasswd chsh cksum clang clang++ clear "
    "clinfo cmake cmp column comm convert-hf-to-gguf.py convert.py convert_hf_to_gguf.py convert_lora_to_gguf.py "
    "cp cpio cpupower crontab csplit ctest curl cut cwebp cygpath date dd delta df diff diff3 dig dircolors "
    "dirname dmesg dmidecode dnsmasq dos2unix dpkg dpkg-query du ed egrep emacs envsubst ethtool expand expr "
    "fallocate fc-cache fdisk ffmpeg ffprobe fgrep file findmnt firewall-cmd fmt fold free fuser g++ gawk gcc "
    "gdal_translate getconf getent getfacl gguf-split gh git git-lfs gitk glab glances gpg gpg2 gpustat grep "
    "groupadd groups gsutil gtop gunzip gzip hdparm head hexdump hf hfd.sh hipcc hipconfig host hostname "
    "hostnamectl htop huggingface-cli iconv id ifconfig inotifywait install intel_gpu_top iostat ip iptables "
    "iptables-save jq killall last ldconfig ldd less link llama-gguf llama-gguf-hash llama-gguf-split "
    "llama-quantize ln locale locale-gen localectl locate logger loginctl logname logrotate look ls lsblk lscpu "
    "lsmod lsof lspci lsusb lz4 m4 mail man md5sum mesg mkdir mkfifo mkfs mknod mkswap mktemp modelscope modinfo "
    "modprobe more mount mountpoint mpstat mv nano nc ncat netcat netstat networkctl nl nm nmap nmcli notify-send "
    "nproc nslookup numfmt nvcc nvidia-ctk nvidia-cuda-mps-control nvidia-cuda-mps-server nvidia-modprobe "
    "nvidia-persistenced nvidia-settings nvidia-smi nvidia-xconfig nvitop nvtop objdump od openssl parted paste "
    "patch pgrep pigz ping pkg-config pkill powerprofilesctl pr ps pstree ptx pv python-config quantize ranlib "
    "rclone readelf readlink realpath reboot renice reset rg rm rmdir rmmod rocm-smi rocm_agent_enumerator "
    "rocminfo rsync rustc rustup sacct sar scontrol scp sed sensors seq setfacl setterm sftp sha1sum sha256sum "
    "sha512sum shasum shred shuf sinfo sleep smartctl socat sort split squeue ss stat strings strip stty sum "
    "swapoff swapon sycl-ls sync sysctl systemd-notify tac tail tailscale tar tee telnet tensorboard timedatectl "
    "tmux top touch tput tr tree truncate tsort tty ufw uname unexpand uniq unix2dos unlink unxz unzip "
    "update-alternatives update-initramfs uptime useradd usermod users uuidgen vcgencmd vi vim visudo vmstat "
    "vulkaninfo w wall wc wget wget2 whereis which who whoami xcode-select xpu-smi xxd xz yes yq zcat zenity zip "
    "zstd".split()
)
"""POSIX.1-2024's utilities, those of GNU, util-linux and procps, tools of drivers and of llama.cpp."""
MANAGERS = frozenset(
    "activate apk apt apt-get aptitude asdf autoconf automake autoreconf bundle choco conan conda configure "
    "deactivate direnv dnf easy_install emerge eopkg flatpak gem gmake-config hatch mamba meson micromamba mise ml "
    "module ninja nix-env nvm opam pacman paru pdm pip pip2 pip3 pipenv pipx pixi poetry pyenv rbenv rpm rye scoop "
    "sdkman setx snap spack stow uv vcpkg virtualenv winget workon yay yum zypper".split()
)
"""They fetch, install and build."""
SERVERS = frozenset(
    "Xorg Xvfb caddy cloudflared dbus-daemon etcd grafana-server haproxy httpd litellm memcached mosquitto mysql "
    "mysqld nginx ngrok node_exporter postgres prometheus psql rabbitmq-server redis-cli redis-server sqlite3 squid "
    "ssh-add ssh-agent ssh-keygen ssh-keyscan sshd tor traefik x11vnc xhost xset".split()
)
"""They serve something else, or pass it on."""
DESKTOP = frozenset("code explorer gnome-open open pbcopy say wl-copy xclip xdg-open xdotool".split())
"""They open what is there."""
WINDOWS = frozenset(
    "add-content attrib chcp chdir choice clear-host cls color copy copy-item del dir echo. echo: endlocal erase "
    "expand-archive fc find findstr get-childitem get-command get-content get-item get-location get-process goto "
    "invoke-restmethod invoke-webrequest ipconfig irm iwr join-path md mode move move-item net netsh new-item "
    "out-file path pause pop-location powercfg prompt push-location rd read-host reg rem remove-item ren rename-item "
    "resolve-path robocopy select-object set-content set-executionpolicy set-location setlocal sl start-sleep "
    "stop-process taskkill tasklist test-path title type ver vol where where-object write-host write-output "
    "xcopy".split()
)
"""Of cmd.exe and PowerShell, in lower case."""
