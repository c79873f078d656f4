"""Goal: kill -9 of any process at any point under continuous input changes never makes two contents of one serial, and the next
round is released once the process is back.
Method: see below; draws from a seed that is printed."""
import cluster

if __name__ == '__main__':
    cluster.main()
