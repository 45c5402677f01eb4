// Kernels that a device would run, and most of them wrongly: what the emulation must find.

// Sound: the sum of each block's values, by shuffles and shared memory.
extern "C" __global__ void __launch_bounds__(128) block_sums(const float* values, int count, float* sums) {
    __shared__ float of_warp[4];
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    float sum = i < count ? values[i] : 0;
    for (int apart = 16; apart; apart /= 2) sum += __shfl_down_sync(0xffffffffu, sum, apart);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        float all = 0;
        for (unsigned w = 0; w < blockDim.x / 32; ++w) all += of_warp[w];
        sums[blockIdx.x] = all;
    }
}

// Sound: every intrinsic, each lane's results after one another.
extern "C" __global__ void intrinsics(int* out) {
    extern __shared__ int staged[];
    const int lane = static_cast<int>(threadIdx.x);
    staged[lane] = lane * lane;
    __syncwarp();
    int* mine = out + lane * 9;
    mine[0] = __shfl_sync(0xffffffffu, lane, 5, 8);
    mine[1] = __shfl_up_sync(0xffffffffu, lane, 3, 16);
    mine[2] = __shfl_down_sync(0xffffffffu, lane, 3, 16);
    mine[3] = __shfl_xor_sync(0xffffffffu, lane, 9);
    mine[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
    mine[5] = __any_sync(0xffffffffu, lane == 7);
    mine[6] = __all_sync(0xffffffffu, lane < 31);
    mine[7] = staged[31 - lane];
    // Half of the warp by itself.
    mine[8] = lane < 16 ? __shfl_xor_sync(0x0000ffffu, lane, 1) : -1;
}

// Sound: a histogram.
extern "C" __global__ void histogram(const int* values, int count, int* bins, int* greatest) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= count) return;
    atomicAdd(&bins[values[i]], 1);
    atomicMax(greatest, values[i]);
}

// The barrier stands in a branch that half of the threads take.
extern "C" __global__ void divergent_barrier(int* out) {
    if (threadIdx.x < blockDim.x / 2) __syncthreads();
    out[threadIdx.x] = 1;
}

// Threads wait at two different barriers.
extern "C" __global__ void two_barriers(int* out) {
    if (threadIdx.x % 2) {
        __syncthreads();
        out[threadIdx.x] = 1;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2;
    }
}

// A shuffle of all lanes that some never reach.
extern "C" __global__ void divergent_shuffle(int* out) {
    int value = static_cast<int>(threadIdx.x);
    if (threadIdx.x != 3) value = __shfl_xor_sync(0xffffffffu, value, 1);
    out[threadIdx.x] = value;
}

// A shuffle that reads a lane outside its mask.
extern "C" __global__ void stray_shuffle(int* out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0x0000ffffu, static_cast<int>(threadIdx.x), 20);
}

// Shared memory that nobody wrote.
extern "C" __global__ void unwritten(int* out) {
    __shared__ int held[64];
    if (threadIdx.x != 5) held[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = held[threadIdx.x];
}

// Its neighbour's value, without waiting for it.
extern "C" __global__ void racing(int* out) {
    __shared__ int held[64];
    held[threadIdx.x] = static_cast<int>(threadIdx.x);
    out[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];
}

extern "C" __global__ void beyond_global(const int* values, int* out) { out[threadIdx.x] = values[threadIdx.x]; }

extern "C" __global__ void beyond_static(int* out) {
    __shared__ int held[32];
    held[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = held[threadIdx.x];
}

extern "C" __global__ void beyond_dynamic(int* out) {
    extern __shared__ int held[];
    held[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = held[threadIdx.x];
}

extern "C" __global__ void beyond_registers(int* out, int count) {
    int held[4];
    for (int i = 0; i < count; ++i) held[i] = i;
    out[threadIdx.x] = held[threadIdx.x % 4];
}
