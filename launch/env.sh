# Sourced by every launch script: the only place that sets OMPI_*, NCCL_* and OMP_* variables, each with its
# reason. A variable that is already set stays as it is.   usage: . launch/env.sh

# Containers and CI run as root, which mpirun refuses unless both are set; nobody else gets them.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}"
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}"
fi

# More ranks than cores are wanted on small machines (tests run four on two). mpi_yield_when_idle is not set: a
# training run waits inside of MPI at its start and end only, between them ranks poll and sleep by themselves
# (src/comm). Neither is OMP_WAIT_POLICY: on quiet cores LibTorch's waiting loops cost nothing, on shared ones
# they are not used (src/kernels/README.md), also without this script.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"

# The default pins each of two ranks to one core, and with it all their compute threads.
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"

# Copies between processes through the kernel fail in containers without ptrace rights.
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"

# Open MPI ends a job in steps: wait this many seconds, TERM to the ranks, wait again, KILL. It does so on TERM
# and whenever a rank leaves with a code other than 0, and it always waits in full. mpirun.sh turns TERM into
# USR1, which mpirun passes on at once, so there the wait only costs time. Who calls mpirun directly gets a delay
# that is long enough to save (the default is 1 second; mpirun then returns 1, whatever the ranks return).
if [ -n "${ANEMLL_TERM_BECOMES_USR1:-}" ]; then
  export OMPI_MCA_odls_base_sigkill_timeout="${OMPI_MCA_odls_base_sigkill_timeout:-1}"
else
  export OMPI_MCA_odls_base_sigkill_timeout="${OMPI_MCA_odls_base_sigkill_timeout:-10}"
fi

# mpirun notices that a link to another host is dead after eight minutes by default, and says nothing till then.
export OMPI_MCA_oob_tcp_keepalive_time="${OMPI_MCA_oob_tcp_keepalive_time:-10}"
export OMPI_MCA_oob_tcp_keepalive_intvl="${OMPI_MCA_oob_tcp_keepalive_intvl:-3}"
export OMPI_MCA_oob_tcp_keepalive_probes="${OMPI_MCA_oob_tcp_keepalive_probes:-3}"

# OMP_NUM_THREADS is not set here: the programs share affinity mask and CPU quota among the ranks of a host
# themselves, and take the variable as the user's word.

# NCCL says nothing about what went wrong by default.
export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
