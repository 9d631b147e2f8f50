// The tiled matmul of kernels/tinynet_kernels/matmul/tiled.py in CUDA C++, for comparing what the compilers make of it:
// a block of 256 threads computes 128 x 128 results of y = a b, a thread 8 x 8 of them; a (M, K), b (K, N), row-major.
// M and N must be multiples of 128, K of 16.

constexpr int TILE = 128, DEPTH = 16, PITCH = TILE + 4, BUFFER = DEPTH * PITCH;

extern "C" __global__ void __launch_bounds__(256, 2)
matmul(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, int m, int n, int k) {
    __shared__ __align__(16) float shared_a[2][BUFFER];
    __shared__ __align__(16) float shared_b[2][BUFFER];
    int t = threadIdx.x, row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    const float* from_a = a + (row0 + t / 4) * k + t % 4 * 4;
    const float* from_b = b + t / 32 * n + column0 + t % 32 * 4;
    int to_a = t % 4 * 4 * PITCH + t / 4, to_b = t / 32 * PITCH + t % 32 * 4;
    int mine_a = (t / 32 / 2 * 4 + t % 32 / 8) * 4, mine_b = (t / 32 % 2 * 8 + t % 8) * 4;
    float4 next_a[2], next_b[2];
    float tile[8][8] = {};
    int buffer = 0;

    auto fetch = [&] {
        for (int q = 0; q < 2; q++) {
            next_a[q] = *(const float4*)(from_a + q * 64 * k);
            next_b[q] = *(const float4*)(from_b + q * 8 * n);
        }
        from_a += DEPTH;
        from_b += DEPTH * n;
    };
    auto put = [&] {
        for (int q = 0; q < 2; q++) {
            float* to = &shared_a[buffer][to_a + q * 64];
            to[0] = next_a[q].x, to[PITCH] = next_a[q].y, to[2 * PITCH] = next_a[q].z, to[3 * PITCH] = next_a[q].w;
            *(float4*)&shared_b[buffer][to_b + q * 8 * PITCH] = next_b[q];
        }
        __syncthreads();
    };

    fetch();
    put();
    for (int k0 = DEPTH;; k0 += DEPTH) {
        if (k0 < k) fetch();
#pragma unroll
        for (int l = 0; l < DEPTH; l++) {
            float u[8], v[8];
            for (int h = 0; h < 2; h++) {
                *(float4*)&u[4 * h] = *(float4*)&shared_a[buffer][l * PITCH + mine_a + 64 * h];
                *(float4*)&v[4 * h] = *(float4*)&shared_b[buffer][l * PITCH + mine_b + 64 * h];
            }
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 8; j++) tile[i][j] += u[i] * v[j];
        }
        if (k0 >= k) break;
        buffer ^= 1;
        put();
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float* to = y + (row0 + mine_a + i / 4 * 64 + i % 4) * n + column0 + mine_b + 64 * h;
            *(float4*)to = make_float4(tile[i][4 * h], tile[i][4 * h + 1], tile[i][4 * h + 2], tile[i][4 * h + 3]);
        }
}
