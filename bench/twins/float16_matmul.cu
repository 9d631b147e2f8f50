// What a C++ programmer writes for `matmul` of float16 on tensor cores: the yardstick of its main loop. Tiles of 128 x 128 x
// 32, eight warps of 64 x 32, four stages of cp.async; M, N and K are multiples of the tile, and the result is float32.
#include <cstdint>

constexpr int DEPTH = 32, STAGES = 4, PITCH_A = DEPTH + 8, PITCH_B = 128 + 8;
constexpr int STAGE_A = 128 * PITCH_A, STAGE_B = DEPTH * PITCH_B, START_B = STAGES * STAGE_A;

__device__ inline void copy(uint32_t to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

__device__ inline void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

__device__ inline void load(uint32_t* r, uint32_t at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ inline void load_transposed(uint32_t* r, uint32_t at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ inline void multiply(float* c, const uint32_t* a, const uint32_t* b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

extern "C" __global__ __launch_bounds__(256, 2) void float16_matmul(
    const uint16_t* __restrict__ a, const uint16_t* __restrict__ b, float* __restrict__ y, int m, int n, int k) {
    extern __shared__ __align__(16) uint16_t shared[];
    int t = threadIdx.x, lane = t & 31, warp = t >> 5, down = (warp & 1) * 64, across = (warp >> 1) * 32;
    int row0 = blockIdx.y * 128, column0 = blockIdx.x * 128;
    const uint16_t* from_a = a + (row0 + t / 4) * k + t % 4 * 8;
    const uint16_t* from_b = b + t / 16 * n + column0 + t % 16 * 8;
    uint32_t start = (uint32_t)__cvta_generic_to_shared(shared);
    uint32_t to_a = start + 2 * (t / 4 * PITCH_A + t % 4 * 8), to_b = start + 2 * (START_B + t / 16 * PITCH_B + t % 16 * 8);
    auto fetch = [&](int stage) {
        for (int i = 0; i < 2; i++) copy(to_a + 2 * (stage * STAGE_A + i * 64 * PITCH_A), from_a + i * 64 * k);
        for (int i = 0; i < 2; i++) copy(to_b + 2 * (stage * STAGE_B + i * 16 * PITCH_B), from_b + i * 16 * n);
        from_a += DEPTH;
        from_b += DEPTH * n;
    };
    for (int stage = 0; stage < STAGES - 1; stage++) {
        fetch(stage);
        commit();
    }
    uint32_t at_a = start + 2 * ((down + (lane & 15)) * PITCH_A + (lane >> 4) * 8);
    uint32_t at_b = start + 2 * (START_B + (lane & 15) * PITCH_B + across + (lane >> 4) * 8);
    float tile[4][4][4] = {};
    int now = 0, coming = STAGES - 1;
    for (int k0 = 0; k0 < k; k0 += DEPTH) {
        asm volatile("cp.async.wait_group 2;" ::: "memory");
        __syncthreads();
        if (k0 + DEPTH * (STAGES - 1) < k) fetch(coming);
        commit();
#pragma unroll
        for (int s = 0; s < DEPTH / 16; s++) {
            uint32_t parts_a[4][4], parts_b[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++) load(parts_a[i], at_a + 2 * (now * STAGE_A + s * 16 + i * 16 * PITCH_A));
#pragma unroll
            for (int j = 0; j < 2; j++) load_transposed(parts_b[j], at_b + 2 * (now * STAGE_B + s * 16 * PITCH_B + j * 16));
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply(tile[i][j], parts_a[i], &parts_b[j / 2][j % 2 * 2]);
        }
        now = now < STAGES - 1 ? now + 1 : 0;
        coming = coming < STAGES - 1 ? coming + 1 : 0;
    }
    float* to = y + (row0 + down + (lane >> 2)) * n + column0 + across + (lane & 3) * 2;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            *(float2*)(to + i * 16 * n + j * 8) = make_float2(tile[i][j][0], tile[i][j][1]);
            *(float2*)(to + (i * 16 + 8) * n + j * 8) = make_float2(tile[i][j][2], tile[i][j][3]);
        }
}
